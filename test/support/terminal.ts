import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { ROOT } from './malkoha.js';

/** What a person sees on a terminal of 80 columns: both streams, with plain line ends. Arguments hold no quotes. */
export async function onTerminal(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number | null; readonly screen: string }> {
  const command = `stty cols 80; exec '${[join(ROOT, 'malkoha'), ...args].join("' '")}'`;
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '', ...env },
  });
  let screen = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (screen += chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, screen: screen.replaceAll('\r\n', '\n') };
}
