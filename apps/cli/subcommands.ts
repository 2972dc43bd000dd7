import { SandboxError } from '#domain/errors.js';
import type { Command } from './commands.js';

/** Adding one = a file and a row of the table. */
export type Subcommands = Readonly<Record<string, () => Promise<Command>>>;

/** `malkoha task view 1`: the word after the command says which. @throws USAGE naming those there are */
export async function runSubcommand(
  command: string,
  subcommands: Subcommands,
  args: readonly string[],
): Promise<number> {
  const [name = '', ...rest] = args;
  const load = Object.hasOwn(subcommands, name) ? subcommands[name] : undefined;
  if (load !== undefined) return (await load()).run(rest);
  const known = Object.keys(subcommands).join(', ');
  throw new SandboxError(
    'USAGE',
    name === ''
      ? `${command}: say what to do: ${known}`
      : `there is no command \`${command} ${name}\`; there are ${known}`,
  );
}
