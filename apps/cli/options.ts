import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { SandboxError, reason } from '#domain/errors.js';

type Options = NonNullable<ParseArgsConfig['options']>;

/** parseArgs with errors a person can act on. @throws USAGE */
export function parse<O extends Options>(command: string, args: readonly string[], options: O) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (cause) {
    const [what = ''] = reason(cause).split(/\.\s/);
    throw new SandboxError('USAGE', `${command}: ${what}. \`malkoha help ${command}\` tells its options`);
  }
}

/** `--home`, else $MALKOHA_HOME, else ~/.malkoha; always absolute. */
export function homeFolder(option: string | undefined): string {
  return resolve(option ?? process.env['MALKOHA_HOME'] ?? join(homedir(), '.malkoha'));
}

/** A whole number within bounds. @throws USAGE naming the option */
export function wholeNumber(
  option: string,
  text: string | undefined,
  { min, max }: { min: number; max: number },
): number | undefined {
  if (text === undefined) return undefined;
  const value = /^-?\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  throw new SandboxError(
    'USAGE',
    `--${option} takes a whole number from ${min} to ${max}, not ${JSON.stringify(text)}`,
  );
}

/** The one argument of a command about one task. @throws USAGE */
export function taskId(command: string, positionals: readonly string[]): number {
  const [text] = positionals;
  if (text === undefined || positionals.length > 1)
    throw new SandboxError('USAGE', `${command}: name one task by its id (\`malkoha task list\` shows them)`);
  const id = /^\d{1,15}$/.test(text) ? Number(text) : 0;
  if (id > 0) return id;
  throw new SandboxError(
    'USAGE',
    `${command}: a task id is a whole number from 1, not ${JSON.stringify(text)}`,
  );
}

/** The arguments of a command about machines: at least one, at most `most`. @throws USAGE */
export function machineNames(
  command: string,
  positionals: readonly string[],
  most = Infinity,
): readonly string[] {
  if (positionals.length > 0 && positionals.length <= most) return positionals;
  const how = most === 1 ? 'one machine by its name' : 'at least one machine';
  throw new SandboxError('USAGE', `${command}: name ${how} (\`malkoha machine list\` shows them)`);
}

/** The arguments of a command about nodes: at least one, at most `most`. @throws USAGE */
export function nodeNames(
  command: string,
  positionals: readonly string[],
  most = Infinity,
): readonly string[] {
  if (positionals.length > 0 && positionals.length <= most) return positionals;
  const how = most === 1 ? 'one node by its name' : 'at least one node';
  throw new SandboxError('USAGE', `${command}: name ${how} (\`malkoha node list\` shows them)`);
}

/** For commands that only take options. @throws USAGE */
export function noArguments(command: string, positionals: readonly string[]): void {
  if (positionals[0] !== undefined)
    throw new SandboxError('USAGE', `${command} takes no argument ${JSON.stringify(positionals[0])}`);
}
