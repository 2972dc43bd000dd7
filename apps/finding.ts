/** What one check of `malkoha doctor` found. */
export interface Finding {
  /** What was looked at, in a few words: `disk space`, `program tcpdump`. */
  readonly check: string;
  /**
   * - `ok`: as it should be
   * - `warn`: works, but not as well or as long as it could
   * - `fail`: analyses fail, or end worse, because of it
   * - `skipped`: could not be looked at; `found` says why
   */
  readonly status: 'ok' | 'warn' | 'fail' | 'skipped';
  /** One sentence, with the numbers and names. */
  readonly found: string;
  /** What to do, as exact as it can be: a command, or a line of a file. Null when there is nothing to do. */
  readonly fix: string | null;
  /** The machine it is about. */
  readonly machine?: string;
}
