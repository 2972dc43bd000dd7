import { COMMANDS } from './commands.js';

/** Prints the help of one command, or the list of them. Returns the exit code. */
export function help(name: string | undefined): number {
  if (name === undefined) {
    process.stdout.write(`${overview()}\n`);
    return 0;
  }
  const command = COMMANDS[name];
  if (command === undefined) {
    process.stderr.write(
      `malkoha: there is no command ${JSON.stringify(name)}. Commands: ${Object.keys(COMMANDS).join(', ')}.\n`,
    );
    return 2;
  }
  process.stdout.write(`${command.help}\n`);
  return 0;
}

function overview(): string {
  const rows = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(13)}${summary}`);
  return `usage: malkoha COMMAND [options]

Runs suspicious files and URLs in real virtual machines and reports what they did.

${rows.join('\n')}

Start with:  malkoha analyze FILE
\`malkoha help COMMAND\` tells the options of a command.`;
}
