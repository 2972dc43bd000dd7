import { SandboxError, reason } from '#domain/errors.js';
import { COMMANDS } from './commands.js';
import { help } from './help.js';
import { visibleLines } from './text.js';

const [name = 'help', ...args] = process.argv.slice(2);

/** Exit codes are a contract (docs/cli.md): 0 done, 1 it failed, 2 wrong usage, 130 interrupted. */
async function main(): Promise<number> {
  if (['help', '--help', '-h'].includes(name)) return help(args[0]);
  const command = COMMANDS[name];
  if (command === undefined) {
    process.stderr.write(
      `malkoha: there is no command ${JSON.stringify(name)}. Commands: ${Object.keys(COMMANDS).join(', ')}.\n`,
    );
    return 2;
  }
  if (args.includes('--help') || args.includes('-h')) return help(name);
  return (await command.load()).run(args);
}

// `| head` has read enough: no reason to complain.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  throw error;
});

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`malkoha: ${visibleLines(reason(error))}\n`);
  if (error instanceof SandboxError) process.stderr.write(`         ${error.help}\n`);
  process.exitCode = error instanceof SandboxError && error.code === 'USAGE' ? 2 : 1;
  if (process.env['MALKOHA_DEBUG'] !== undefined && error instanceof Error)
    process.stderr.write(`${error.stack ?? ''}\n`);
}
