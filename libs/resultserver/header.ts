import { ProtocolError } from '#domain/errors.js';
import { quoted } from '#domain/quoted.js';

/** Whose analyzer runs in the guest. Nothing in the bytes says it, and `FILE 2` differs (spec protocols.md §1.2). */
export type Dialect = 'cuckoo2' | 'cape' | 'malkoha';

export interface CapeFields {
  readonly ppids: readonly number[];
  /** `;?`-separated for dumps; attacker-controlled text. */
  readonly metadata: string;
  readonly category: string;
  /** The content was sent before: no payload follows. */
  readonly duplicated: boolean;
}

export type Header =
  | { readonly kind: 'log' }
  | { readonly kind: 'bson'; readonly pid: number | null }
  | { readonly kind: 'proto'; readonly pid: number }
  | {
      readonly kind: 'file';
      /** Where the guest wants it, not checked yet: see uploadPath. */
      readonly path: Buffer;
      /** Path in the guest, attacker-controlled text; null when not said. */
      readonly filepath: string | null;
      readonly pids: readonly number[];
      readonly cape: CapeFields | null;
    };

/** Cuckoo's limit of one header line, without its LF. A header has eight lines at most. */
export const MAX_LINE_BYTES = 4096;

const LF = 0x0a;
const CR = 0x0d;
const COMMAND = /^(LOG|FILE|BSON|PROTO)(?:[ \t]+(\d{1,10}))?[ \t]*$/;
const MAX_UINT32 = 0xffffffff;
const CAPE_CATEGORIES: ReadonlySet<string> = new Set(['CAPE', 'files', 'memory', 'procdump']);

/**
 * Reads the header of one connection: `COMMAND[ INTEGER] LF`, then as many lines as the command and the dialect ask
 * for, then the payload. Bytes come in pieces of any size; each is looked at once.
 */
export class HeaderParser {
  readonly #dialect: Dialect;
  readonly #line = Buffer.allocUnsafe(MAX_LINE_BYTES);
  #length = 0;
  #offset = 0;
  #command: RegExpExecArray | null = null;
  #crlf = false;
  readonly #fields: Buffer[] = [];

  constructor(dialect: Dialect) {
    this.#dialect = dialect;
  }

  /** Has the command line been read? */
  get started(): boolean {
    return this.#command !== null;
  }

  /**
   * Takes the next bytes. Gives the header and the first bytes of the payload, or null while the header goes on.
   *
   * @throws ProtocolError when this cannot become a header
   */
  push(chunk: Buffer): { readonly header: Header; readonly rest: Buffer } | null {
    for (let from = 0; from < chunk.length;) {
      const at = chunk.indexOf(LF, from);
      this.#collect(chunk.subarray(from, at === -1 ? chunk.length : at));
      if (at === -1) return null;
      from = at + 1;
      const header = this.#endLine();
      if (header) return { header, rest: chunk.subarray(from) };
      this.#offset += 1;
    }
    return null;
  }

  #collect(part: Buffer): void {
    if (this.#length + part.length > MAX_LINE_BYTES) {
      throw new ProtocolError(`header line is longer than ${MAX_LINE_BYTES} bytes`, this.#offset);
    }
    part.copy(this.#line, this.#length);
    this.#length += part.length;
    this.#offset += part.length;
  }

  #endLine(): Header | null {
    // A client that ends its command line with CR LF does so on every line; one that does not may mean the CR.
    if (this.#command === null) this.#crlf = this.#length > 0 && this.#line[this.#length - 1] === CR;
    const cut = this.#crlf && this.#line[this.#length - 1] === CR ? this.#length - 1 : this.#length;
    const line = Buffer.from(this.#line.subarray(0, cut));
    this.#length = 0;
    if (this.#command === null) return this.#start(line);
    this.#fields.push(line);
    return this.#fields.length < this.#wanted() ? null : this.#file();
  }

  #start(line: Buffer): Header | null {
    const command = COMMAND.exec(line.toString('latin1'));
    if (!command) throw new ProtocolError(`unknown command ${quoted(line)}`, 0);
    this.#command = command;
    const pid = command[2] === undefined ? null : this.#uint32(command[2]);
    switch (command[1] as 'LOG' | 'FILE' | 'BSON' | 'PROTO') {
      case 'LOG':
        return { kind: 'log' };
      case 'BSON':
        return { kind: 'bson', pid };
      case 'PROTO':
        if (pid === null || this.#dialect !== 'cape')
          throw new ProtocolError('PROTO is not expected here', 0);
        return { kind: 'proto', pid };
      case 'FILE':
        return null;
    }
  }

  /** Lines after `FILE [version]`. */
  #wanted(): number {
    if (Number(this.#command?.[2] ?? 0) < 2) return 1;
    return this.#dialect === 'cape' ? 7 : 3;
  }

  #file(): Header {
    const [path, filepath, pids, ppids, metadata, category, duplicated] = this.#fields;
    return {
      kind: 'file',
      path: path ?? Buffer.alloc(0),
      filepath: filepath?.toString('utf8') || null,
      pids: this.#pids(pids),
      cape: duplicated
        ? {
            ppids: this.#pids(ppids),
            metadata: metadata?.toString('utf8') ?? '',
            category: allowed(category),
            duplicated: this.#flag(duplicated),
          }
        : null,
    };
  }

  #pids(line: Buffer | undefined): number[] {
    const words = (line?.toString('latin1') ?? '').split(/[ \t]+/).filter((word) => word !== '');
    return words.map((word) => this.#uint32(word));
  }

  #uint32(text: string): number {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
    if (!(value <= MAX_UINT32)) throw new ProtocolError(`not a process id: ${quoted(text)}`, this.#offset);
    return value;
  }

  #flag(line: Buffer): boolean {
    const text = line.toString('latin1').trim();
    if (text !== '0' && text !== '1') throw new ProtocolError(`not 0 or 1: ${quoted(text)}`, this.#offset);
    return text === '1';
  }
}

function allowed(category: Buffer | undefined): string {
  const text = category?.toString('latin1') ?? '';
  return CAPE_CATEGORIES.has(text) ? text : '';
}
