/**
 * Context-triggered piecewise hashing as ssdeep 2.14 prints it, streaming: every block size that may still win is
 * hashed at once, so the length need not be known before.
 *
 * @see https://doi.org/10.1016/j.diin.2006.06.015 (Kornblum 2006)
 */

/** Characters of one signature; the second one has half of it. */
const SIGNATURE = 64;
const MIN_BLOCK = 3;
/** Block sizes 3·2^0 … 3·2^30. */
const BLOCK_SIZES = 31;
const WINDOW = 7;
const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
/** Only the low six bits of the FNV sums are ever printed, and they depend on low bits only: 0x28021967 & 63. */
const SUM_START = 0x27;
/** 0x01000193 & 63. */
const SUM_PRIME = 0x13;

const blockSize = (index: number): number => MIN_BLOCK * 2 ** index;
const letter = (sum: number): string => BASE64.charAt(sum);

interface Signature {
  /** Letters of the complete pieces, at most 63. */
  text: string;
  /** Letter of everything since; written over at each trigger once 63 pieces are there. */
  last: string;
  halfLast: string;
  /** The first 31 pieces: what the half signature shows of them. */
  half: string;
}

export class Ssdeep {
  readonly #window = new Uint8Array(WINDOW);
  #at = 0;
  #h1 = 0;
  #h2 = 0;
  #h3 = 0;
  #size = 0;
  #first = 0;
  #end = 1;
  /** Running sums of each block size, whole and half signature. */
  readonly #sums = new Uint8Array(BLOCK_SIZES).fill(SUM_START);
  readonly #halves = new Uint8Array(BLOCK_SIZES).fill(SUM_START);
  readonly #signatures: Signature[] = [{ text: '', last: '', half: '', halfLast: '' }];
  /** Sum over everything of the block size beyond the largest; -1 while not needed. */
  #beyond = -1;

  update(chunk: Uint8Array): void {
    const window = this.#window;
    const sums = this.#sums;
    const halves = this.#halves;
    let [at, h1, h2, h3] = [this.#at, this.#h1, this.#h2, this.#h3];
    const before = this.#size;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i] ?? 0;
      const old = window[at] ?? 0;
      h2 = (h2 - h1 + WINDOW * byte) >>> 0;
      h1 = h1 + byte - old;
      window[at] = byte;
      at = at === WINDOW - 1 ? 0 : at + 1;
      h3 = ((h3 << 5) ^ byte) >>> 0;
      const end = this.#end;
      for (let n = this.#first; n < end; n++) {
        sums[n] = (((sums[n] ?? 0) * SUM_PRIME) ^ byte) & 63;
        halves[n] = (((halves[n] ?? 0) * SUM_PRIME) ^ byte) & 63;
      }
      if (this.#beyond >= 0) this.#beyond = ((this.#beyond * SUM_PRIME) ^ byte) & 63;
      const rolling = (h1 + h2 + h3) >>> 0;
      if (rolling % MIN_BLOCK === MIN_BLOCK - 1) {
        this.#size = before + i + 1;
        this.#trigger(rolling);
      }
    }
    [this.#at, this.#h1, this.#h2, this.#h3] = [at, h1, h2, h3];
    this.#size = before + chunk.length;
  }

  /** `blocksize:signature:signature of twice the block size`. */
  finish(): string {
    const open = (this.#h1 + this.#h2 + this.#h3) >>> 0 !== 0;
    let n = this.#first;
    while (n < BLOCK_SIZES && blockSize(n) * SIGNATURE < this.#size) n++;
    n = Math.min(n, this.#end - 1);
    while (n > this.#first && (this.#signatures[n]?.text.length ?? 0) < SIGNATURE / 2) n--;

    const one = this.#signatures[n];
    const two = this.#signatures[n + 1];
    const whole = (one?.text ?? '') + (open ? letter(this.#sums[n] ?? 0) : (one?.last ?? ''));
    if (two !== undefined) {
      const half = two.half + (open ? letter(this.#halves[n + 1] ?? 0) : two.halfLast);
      return `${blockSize(n)}:${whole}:${half}`;
    }
    const rest = n === 0 ? (this.#sums[0] ?? 0) : Math.max(this.#beyond, 0);
    return `${blockSize(n)}:${whole}:${open ? letter(rest) : ''}`;
  }

  /** The rolling hash ends a piece of every block size that divides it. */
  #trigger(rolling: number): void {
    for (let n = this.#first; n < this.#end; n++) {
      const size = blockSize(n);
      if (rolling % size !== size - 1) return;
      const signature = this.#signatures[n];
      if (signature === undefined) return;
      if (signature.text === '') this.#fork();
      const piece = letter(this.#sums[n] ?? 0);
      signature.last = piece;
      signature.halfLast = letter(this.#halves[n] ?? 0);
      if (signature.text.length >= SIGNATURE - 1) {
        this.#reduce();
        continue;
      }
      signature.text += piece;
      signature.last = '';
      this.#sums[n] = SUM_START;
      if (signature.text.length < SIGNATURE / 2) {
        signature.half += signature.halfLast;
        signature.halfLast = '';
        this.#halves[n] = SUM_START;
      }
    }
  }

  /** The next block size has seen the same bytes so far, and starts to count on its own. */
  #fork(): void {
    const from = this.#end - 1;
    if (this.#end === BLOCK_SIZES) {
      if (this.#beyond < 0) this.#beyond = this.#sums[from] ?? 0;
      return;
    }
    this.#sums[this.#end] = this.#sums[from] ?? 0;
    this.#halves[this.#end] = this.#halves[from] ?? 0;
    this.#signatures.push({ text: '', last: '', half: '', halfLast: '' });
    this.#end++;
  }

  /** Gives up the smallest block size once it cannot win any more: this is what keeps the cost linear. */
  #reduce(): void {
    if (this.#end - this.#first < 2) return;
    if (blockSize(this.#first) * SIGNATURE >= this.#size) return;
    if ((this.#signatures[this.#first + 1]?.text.length ?? 0) < SIGNATURE / 2) return;
    this.#first++;
  }
}
