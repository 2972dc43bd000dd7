import { jest } from '@jest/globals';
import { COMMANDS } from '../../apps/cli/commands.js';

/** Runs a command of the CLI in this process; `out` is what it wrote to stdout. @throws what the command does */
export async function runCommand(
  command: string,
  ...args: readonly string[]
): Promise<{ readonly code: number; readonly out: string }> {
  const written: string[] = [];
  const write = jest.spyOn(process.stdout, 'write').mockImplementation((text) => {
    written.push(String(text));
    return true;
  });
  try {
    const loaded = await COMMANDS[command]?.load();
    const code = (await loaded?.run(args)) ?? -1;
    return { code, out: written.join('') };
  } finally {
    write.mockRestore();
  }
}
