/** Characters of foreign text worth showing in a message. */
const SHOWN = 120;

/**
 * Foreign text for a message, a log line or a terminal: in quotes, short, printable ASCII only. What JSON leaves as
 * it is (DEL, C1, marks that turn the writing direction) a terminal obeys.
 */
export function quoted(text: Buffer | string): string {
  // Cut before and after decoding: megabytes of it must cost nothing.
  const shown = (typeof text === 'string' ? text : text.subarray(0, SHOWN * 4).toString('utf8')).slice(
    0,
    SHOWN,
  );
  return JSON.stringify(shown).replace(
    /[^\x20-\x7e]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
