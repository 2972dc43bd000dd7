/** Deeper than any report: the deepest part of one is the tree of processes. */
const DEEPEST = 10_000;
/** Characters of a number. */
const LONGEST = 1024;

/** What must come next, or what these bytes are in. */
type State =
  | '{'
  | 'a value'
  | 'a value or ]'
  | 'a key'
  | 'a key or }'
  | ':'
  | ', or an end'
  | 'nothing more'
  | 'string'
  | 'an escape'
  | 'a hexadecimal digit'
  | 'word';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** All of numbers, true, false and null. */
const WORD = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/;
const IN_WORD = byteSet('+-.0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ');
const HEX = byteSet('0123456789abcdefABCDEF');
const ESCAPED = byteSet('"\\/bfnrt');
const BLANK = byteSet(' \t\r\n');

/**
 * Says whether bytes that come in pieces are one JSON object in UTF-8 (RFC 8259), and keeps none of them. Its memory is
 * bounded, as the depth is: what a node sends may have been made to cost.
 */
export class JsonCheck {
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  /** Of each open object or array, 1 when it is an object. */
  readonly #objects = new Uint8Array(DEEPEST);
  #depth = 0;
  #state: State = '{';
  /** Is the string a key? */
  #isKey = false;
  /** The number or literal so far. */
  #word = '';
  /** Digits that \u still needs. */
  #digits = 0;
  /** Bytes before this chunk. */
  #before = 0;

  /** @throws Error saying what is wrong, and where */
  add(chunk: Uint8Array): void {
    this.#decode(chunk);
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] ?? 0;
      if (this.#state === 'string') {
        if (byte === QUOTE) this.#state = this.#isKey ? ':' : ', or an end';
        else if (byte === BACKSLASH) this.#state = 'an escape';
        else if (byte < 0x20) throw this.#error('a control character in a string', at);
      } else if (!this.#step(byte)) {
        const what = this.#state === 'word' ? 'no value' : `not ${this.#state}`;
        throw this.#error(what, at);
      }
    }
    this.#before += chunk.length;
  }

  /** No more comes. @throws Error when there should be more */
  end(): void {
    this.#decode();
    if (this.#state !== 'nothing more') throw this.#error('the end in the middle', 0);
  }

  /** False: this byte must not be here. */
  #step(byte: number): boolean {
    switch (this.#state) {
      case '{':
        return byte === 0x7b ? this.#push(1) : BLANK[byte] === 1;
      case 'a value or ]':
        return byte === 0x5d ? this.#pop() : this.#value(byte);
      case 'a value':
        return this.#value(byte);
      case 'a key or }':
        return byte === 0x7d ? this.#pop() : this.#key(byte);
      case 'a key':
        return this.#key(byte);
      case ':':
        return byte === 0x3a ? this.#next('a value') : BLANK[byte] === 1;
      case ', or an end':
        return this.#after(byte);
      case 'nothing more':
        return BLANK[byte] === 1;
      case 'an escape':
        if (byte !== 0x75) return ESCAPED[byte] === 1 && this.#next('string');
        this.#digits = 4;
        return this.#next('a hexadecimal digit');
      case 'a hexadecimal digit':
        this.#digits -= 1;
        return HEX[byte] === 1 && (this.#digits > 0 || this.#next('string'));
      case 'word':
        return this.#inWord(byte);
      case 'string':
        return true; // add() has looked at it
    }
  }

  #value(byte: number): boolean {
    if (BLANK[byte] === 1) return true;
    if (byte === QUOTE) {
      this.#isKey = false;
      return this.#next('string');
    }
    if (byte === 0x7b) return this.#push(1);
    if (byte === 0x5b) return this.#push(0);
    this.#word = '';
    return IN_WORD[byte] === 1 && this.#next('word') && this.#inWord(byte);
  }

  #key(byte: number): boolean {
    if (byte !== QUOTE) return BLANK[byte] === 1;
    this.#isKey = true;
    return this.#next('string');
  }

  #inWord(byte: number): boolean {
    if (IN_WORD[byte] === 1) {
      this.#word += String.fromCharCode(byte);
      return this.#word.length <= LONGEST;
    }
    return WORD.test(this.#word) && this.#next(', or an end') && this.#after(byte);
  }

  #after(byte: number): boolean {
    const inObject = this.#objects[this.#depth - 1] === 1;
    if (byte === 0x2c) return this.#next(inObject ? 'a key' : 'a value');
    return byte === (inObject ? 0x7d : 0x5d) ? this.#pop() : BLANK[byte] === 1;
  }

  #push(object: 0 | 1): boolean {
    if (this.#depth === DEEPEST) return false;
    this.#objects[this.#depth++] = object;
    return this.#next(object === 1 ? 'a key or }' : 'a value or ]');
  }

  #pop(): boolean {
    this.#depth -= 1;
    return this.#next(this.#depth === 0 ? 'nothing more' : ', or an end');
  }

  #next(state: State): boolean {
    this.#state = state;
    return true;
  }

  #decode(chunk?: Uint8Array): void {
    try {
      this.#utf8.decode(chunk, { stream: chunk !== undefined });
    } catch {
      throw this.#error('bytes that are not UTF-8', 0);
    }
  }

  #error(what: string, at: number): Error {
    return new Error(`${what}, near byte ${this.#before + at}`);
  }
}

function byteSet(characters: string): Uint8Array {
  const set = new Uint8Array(256);
  for (const byte of Buffer.from(characters)) set[byte] = 1;
  return set;
}
