/** Characters of one command line in the report; strace cuts long arguments before. */
const MAX_COMMAND_LINE = 8192;

/** Joins an argument vector so that a shell would read the same words again. */
export function commandLine({ items, cut }: { items: readonly string[]; cut: boolean }): string {
  const line = items.map(quote).join(' ') + (cut ? ' ...' : '');
  return line.length > MAX_COMMAND_LINE ? `${line.slice(0, MAX_COMMAND_LINE)}...` : line;
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
