/**
 * One line for the remote shell that runs exactly `argv`: SSH carries a command as one string, which the user's
 * shell splits. Single quotes mean the same to sh, bash, zsh, ksh, dash and fish, except that fish knows `\` in them.
 *
 * @throws RangeError on an empty argv or a NUL byte, which no argument can hold
 */
export function shellLine(argv: readonly string[]): string {
  if (argv.length === 0) throw new RangeError('no program to run');
  return argv.map(quoted).join(' ');
}

function quoted(word: string): string {
  if (word.includes('\0')) throw new RangeError(`no argument can hold a NUL byte: ${JSON.stringify(word)}`);
  if (/^[\w@%+:,./-]+$/.test(word)) return word;
  // Quotes and backslashes stand outside the single quotes, so that fish reads them as the others do.
  return `'${word.replaceAll(/['\\]/g, (special) => `'\\${special}'`)}'`;
}
