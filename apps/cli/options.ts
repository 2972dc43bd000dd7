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
    const [what = ''] = reason(cause).split('. ');
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
  const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  throw new SandboxError(
    'USAGE',
    `--${option} takes a whole number from ${min} to ${max}, not ${JSON.stringify(text)}`,
  );
}
