/** Cuckoo's limits: readers know them. */
const MIN_LENGTH = 6;
const MAX_LENGTH = 1024;
const MAX_STRINGS = 2048;

/** 0x1f to 0x7e, as Cuckoo has it. */
const isPrintable = (byte: number): boolean => byte >= 0x1f && byte <= 0x7e;

/**
 * Finds runs of at least six printable characters, streaming: first those of one byte each, then those of UTF-16LE, in
 * the order of the file, each cut to 1024 characters, 2048 strings at most.
 */
export class StringFinder {
  readonly #ascii: string[] = [];
  readonly #wide: string[] = [];
  #run = '';
  #length = 0;
  /** Runs of UTF-16LE that began at even and at odd offsets. */
  readonly #wideRuns: [string, string] = ['', ''];
  #previous = -1;
  #odd: 0 | 1 = 0;

  push(chunk: Uint8Array): void {
    for (const byte of chunk) {
      this.#narrow(byte);
      this.#pair(byte);
    }
  }

  finish(): string[] {
    this.#narrow(0);
    this.#endWide(0);
    this.#endWide(1);
    return [...this.#ascii, ...this.#wide].slice(0, MAX_STRINGS);
  }

  #narrow(byte: number): void {
    if (isPrintable(byte)) {
      this.#length++;
      if (this.#length <= MAX_LENGTH) this.#run += String.fromCharCode(byte);
      return;
    }
    if (this.#length >= MIN_LENGTH && this.#ascii.length < MAX_STRINGS) this.#ascii.push(this.#run);
    this.#run = '';
    this.#length = 0;
  }

  /** `byte` ends a pair that began one byte ago; pairs at even and odd places are told apart. */
  #pair(byte: number): void {
    const parity = this.#odd;
    this.#odd = parity === 0 ? 1 : 0;
    const first = this.#previous;
    this.#previous = byte;
    if (first === -1) return;
    if (byte === 0 && isPrintable(first)) {
      if (this.#wideRuns[parity].length < MAX_LENGTH) this.#wideRuns[parity] += String.fromCharCode(first);
    } else {
      this.#endWide(parity);
    }
  }

  #endWide(parity: 0 | 1): void {
    const run = this.#wideRuns[parity];
    if (run.length >= MIN_LENGTH && this.#wide.length < MAX_STRINGS) this.#wide.push(run);
    this.#wideRuns[parity] = '';
  }
}
