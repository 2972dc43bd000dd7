import { ProtocolError } from '#domain/errors.js';

/** Keys of an object, or numbers of an array's elements as text: the member itself is wanted, or some below it. */
export type Wanted = ReadonlyMap<string, Wanted | 'member'>;

/** Where a wanted member is in the text. */
export interface Located {
  readonly value: Span;
  /** What to take out so that the rest is JSON without this member: its key and one comma too. */
  readonly cut: Span;
}

/** Offsets in bytes: the first, and the one after the last. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Bytes of a key that are looked at; a longer one is nobody's. */
const KEY_LIMIT = 8 * 1024;

const CHAR = {
  tab: 0x09,
  lineFeed: 0x0a,
  return: 0x0d,
  space: 0x20,
  quote: 0x22,
  comma: 0x2c,
  colon: 0x3a,
  openArray: 0x5b,
  backslash: 0x5c,
  closeArray: 0x5d,
  openObject: 0x7b,
  closeObject: 0x7d,
} as const;

/** An object or array some of whose members are wanted. */
interface Level {
  readonly isArray: boolean;
  readonly wanted: Wanted;
  /** What is wanted of the member at hand, once its key is known. */
  want: Wanted | 'member' | undefined;
  hasKey: boolean;
  valueStart: number | null;
  index: number;
  /** End of the bracket, or of the last member that stays, or of the comma before which nothing stays. */
  keptEnd: number;
  hasKept: boolean;
}

/**
 * Finds members of a JSON document of any size without keeping it: it tells where they are. Strings and brackets are
 * followed; whether the rest is JSON is not looked at.
 */
export class JsonLocator {
  /** The document is the only element of an array that nobody wrote. */
  readonly #levels: [Level, ...Level[]];
  /** Brackets open inside a value that nothing is wanted of. */
  #skipped = 0;
  #inString = false;
  #escaped = false;
  /** The object's key that is being read, and its bytes as written. */
  #keyOf: Level | null = null;
  #key = Buffer.alloc(0);
  /** Offset of the chunk at hand. */
  #offset = 0;
  /** Offset after the last byte that is neither space nor comma: where a value that a comma follows has ended. */
  #solidEnd = 0;

  constructor(wanted: Wanted) {
    this.#levels = [level(new Map([['0', wanted]]), true, 0)];
  }

  /** The wanted members that end in this chunk. @throws ProtocolError */
  push(chunk: Buffer): readonly Located[] {
    const found: Located[] = [];
    for (let at = 0; at < chunk.length; at++) {
      if (this.#inString) at = this.#string(chunk, at);
      else this.#byte(chunk[at] as number, this.#offset + at, found);
    }
    this.#offset += chunk.length;
    return found;
  }

  /** @throws ProtocolError when the document is not whole */
  end(): void {
    const isWhole = this.#levels.length === 1 && this.#skipped === 0 && !this.#inString;
    if (!isWhole || this.#levels[0].valueStart === null) this.#fail('the document ends early', this.#offset);
  }

  #byte(byte: number, offset: number, found: Located[]): void {
    switch (byte) {
      case CHAR.space:
      case CHAR.tab:
      case CHAR.lineFeed:
      case CHAR.return:
        return;
      case CHAR.comma:
        if (this.#skipped === 0) this.#endMember(this.#top, offset + 1, found);
        return;
      case CHAR.quote:
        this.#inString = true;
        if (this.#skipped === 0) this.#beginString(this.#top, offset);
        return;
      case CHAR.openObject:
      case CHAR.openArray:
        this.#open(byte === CHAR.openArray, offset);
        break;
      case CHAR.closeObject:
      case CHAR.closeArray:
        this.#close(offset, found);
        break;
      case CHAR.colon:
        break;
      default:
        if (this.#skipped === 0) this.#beginValue(this.#top, offset);
    }
    this.#solidEnd = offset + 1;
  }

  get #top(): Level {
    return this.#levels.at(-1) ?? this.#levels[0];
  }

  #beginString(top: Level, offset: number): void {
    if (top.isArray || top.hasKey) {
      this.#beginValue(top, offset);
      return;
    }
    this.#keyOf = top;
    this.#key = Buffer.alloc(0);
  }

  /** Goes on to the end of the string, or of the chunk. Returns where that is. */
  #string(chunk: Buffer, from: number): number {
    let at = from;
    for (; at < chunk.length; at++) {
      const byte = chunk[at];
      if (this.#escaped) this.#escaped = false;
      else if (byte === CHAR.backslash) this.#escaped = true;
      else if (byte === CHAR.quote) {
        this.#inString = false;
        this.#solidEnd = this.#offset + at + 1;
        break;
      }
    }
    if (this.#keyOf) this.#readKey(this.#keyOf, chunk.subarray(from, at));
    return at;
  }

  #readKey(of: Level, part: Buffer): void {
    if (this.#key.length <= KEY_LIMIT) this.#key = Buffer.concat([this.#key, part]);
    if (this.#inString) return;
    of.want = this.#key.length > KEY_LIMIT ? undefined : of.wanted.get(this.#keyText());
    of.hasKey = true;
    this.#keyOf = null;
  }

  #keyText(): string {
    try {
      return JSON.parse(`"${this.#key.toString()}"`) as string;
    } catch {
      return this.#fail('a key that is no string', this.#solidEnd);
    }
  }

  #beginValue(top: Level, offset: number): void {
    if (top.valueStart !== null) return;
    if (top.isArray) top.want = top.wanted.get(String(top.index));
    else if (!top.hasKey) this.#fail('a value without a key', offset);
    top.valueStart = offset;
  }

  #open(isArray: boolean, offset: number): void {
    if (this.#skipped === 0) {
      const top = this.#top;
      this.#beginValue(top, offset);
      if (top.want !== undefined && top.want !== 'member') {
        this.#levels.push(level(top.want, isArray, offset + 1));
        return;
      }
    }
    this.#skipped++;
  }

  #close(offset: number, found: Located[]): void {
    if (this.#skipped > 0) {
      this.#skipped--;
      return;
    }
    if (this.#levels.length === 1) this.#fail('a bracket too many', offset);
    this.#endMember(this.#top, null, found);
    this.#levels.pop();
  }

  /** `commaEnd`: the offset after the comma that follows. */
  #endMember(top: Level, commaEnd: number | null, found: Located[]): void {
    if (top.valueStart === null) return; // nothing between the brackets
    const end = this.#solidEnd;
    if (top.want !== 'member') {
      top.keptEnd = end;
      top.hasKept = true;
    } else {
      // With the comma before it, or, where nothing stays before it, with the one after it.
      const cut = { start: top.keptEnd, end: top.hasKept ? end : (commaEnd ?? end) };
      found.push({ value: { start: top.valueStart, end }, cut });
      top.keptEnd = cut.end;
    }
    top.index++;
    top.valueStart = null;
    top.hasKey = false;
  }

  #fail(what: string, offset: number): never {
    throw new ProtocolError(`not a JSON document: ${what}`, offset);
  }
}

function level(wanted: Wanted, isArray: boolean, keptEnd: number): Level {
  const member = { want: undefined, hasKey: false, valueStart: null, index: 0 };
  return { isArray, wanted, keptEnd, hasKept: false, ...member };
}
