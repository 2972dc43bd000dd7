import { isIPv4, isIPv6 } from 'node:net';
import { ProtocolError } from '#domain/errors.js';
import { formatIPv6, parseIPv6 } from './ipv6.js';

/**
 * One DNS message (RFC 1035) in words. Names have no final dot, keep the case of the wire (0x20 randomising resolvers
 * compare it), and escape odd bytes as `\.` or `\DDD`. `data` is the usual presentation form: an address for A and AAAA,
 * a name for CNAME, NS and PTR, `10 mail.example` for MX, `priority weight port target` for SRV, joined text for TXT,
 * seven fields for SOA, hex for everything else. All text is attacker-controlled.
 */
export interface DnsMessage {
  readonly id: number;
  readonly response: boolean;
  readonly rcode: number;
  readonly questions: readonly DnsQuestion[];
  readonly answers: readonly DnsAnswer[];
}

export interface DnsQuestion {
  readonly name: string;
  /** `A`, `MX` …; `TYPE<number>` when it has no name here (RFC 3597). */
  readonly type: string;
}

export interface DnsAnswer extends DnsQuestion {
  /** Seconds. */
  readonly ttl: number;
  readonly data: string;
}

/** https://www.iana.org/assignments/dns-parameters: those met in practice. */
const TYPES: Readonly<Record<string, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  NULL: 10,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  NAPTR: 35,
  DNAME: 39,
  OPT: 41,
  DS: 43,
  RRSIG: 46,
  DNSKEY: 48,
  TLSA: 52,
  SVCB: 64,
  HTTPS: 65,
  SPF: 99,
  AXFR: 252,
  ANY: 255,
  CAA: 257,
};
const TYPE_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(TYPES).map(([name, n]) => [n, name]));

/** RFC 1035 section 4.1.1. */
const HEADER_BYTES = 12;
/** RFC 1035 section 2.3.4, as on the wire: length bytes and the root included. */
const MAX_NAME_BYTES = 255;
const MAX_LABEL_BYTES = 63;
/** Far above any honest message of 64 KiB; keeps a crafted one from costing more than it weighs. */
const MAX_RECORDS = 1024;
const CLASS_IN = 1;

/**
 * Reads header, questions and answers; authority and additional records are left alone.
 *
 * @throws ProtocolError on a message that ends early, a compression loop, an overlong name or too many records
 */
export function decodeMessage(bytes: Buffer): DnsMessage {
  if (bytes.length < HEADER_BYTES)
    throw new ProtocolError('DNS message shorter than its header', bytes.length);
  const flags = bytes.readUInt16BE(2);
  const questionCount = bytes.readUInt16BE(4);
  const answerCount = bytes.readUInt16BE(6);
  if (questionCount + answerCount > MAX_RECORDS) throw new ProtocolError('too many DNS records', 4);

  const questions: DnsQuestion[] = [];
  const answers: DnsAnswer[] = [];
  let at = HEADER_BYTES;
  for (let i = 0; i < questionCount; i++) {
    const { name, next } = readName(bytes, at);
    need(bytes, next, 4);
    questions.push({ name, type: typeName(bytes.readUInt16BE(next)) });
    at = next + 4;
  }
  for (let i = 0; i < answerCount; i++) {
    const { name, next } = readName(bytes, at);
    need(bytes, next, 10);
    const type = typeName(bytes.readUInt16BE(next));
    const ttl = bytes.readUInt32BE(next + 4);
    const length = bytes.readUInt16BE(next + 8);
    need(bytes, next + 10, length);
    answers.push({ name, type, ttl, data: readData(bytes, type, next + 10, length) });
    at = next + 10 + length;
  }
  return { id: bytes.readUInt16BE(0), response: flags >= 0x8000, rcode: flags & 0x0f, questions, answers };
}

/**
 * Writes a message; a response is marked recursive, as a resolver's is. Owner names are compressed.
 *
 * @throws ProtocolError when a name or a datum cannot be said in DNS
 */
export function encodeMessage(message: DnsMessage): Buffer {
  const out: Buffer[] = [];
  const seen = new Map<string, number>();
  let at = HEADER_BYTES;
  const put = (bytes: Buffer): void => {
    out.push(bytes);
    at += bytes.length;
  };
  const putOwner = (name: string): void => {
    const known = seen.get(name);
    if (known !== undefined) {
      put(Buffer.from([0xc0 | (known >> 8), known & 0xff]));
      return;
    }
    // A pointer has fourteen bits; the root is shorter than any pointer.
    if (at < 0x4000 && name !== '') seen.set(name, at);
    put(encodeName(name));
  };

  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(message.id, 0);
  header.writeUInt16BE((message.response ? 0x8180 : 0x0100) | (message.rcode & 0x0f), 2);
  header.writeUInt16BE(message.questions.length, 4);
  header.writeUInt16BE(message.answers.length, 6);
  out.push(header);
  for (const { name, type } of message.questions) {
    putOwner(name);
    const tail = Buffer.alloc(4);
    tail.writeUInt16BE(typeNumber(type), 0);
    tail.writeUInt16BE(CLASS_IN, 2);
    put(tail);
  }
  for (const { name, type, ttl, data } of message.answers) {
    putOwner(name);
    const body = encodeData(type, data);
    if (body.length > 0xffff) throw new ProtocolError('DNS record too long', at);
    const head = Buffer.alloc(10);
    head.writeUInt16BE(typeNumber(type), 0);
    head.writeUInt16BE(CLASS_IN, 2);
    head.writeUInt32BE(ttl, 4);
    head.writeUInt16BE(body.length, 8);
    put(head);
    put(body);
  }
  return Buffer.concat(out);
}

function need(bytes: Buffer, at: number, length: number): void {
  if (at + length > bytes.length) throw new ProtocolError('DNS message ends inside a record', bytes.length);
}

function typeName(type: number): string {
  return TYPE_NAMES.get(type) ?? `TYPE${type}`;
}

function typeNumber(type: string): number {
  const known = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
  const number = known ?? Number(/^TYPE(\d{1,5})$/.exec(type)?.[1]);
  if (!(number <= 0xffff)) throw new ProtocolError(`no such DNS type: ${JSON.stringify(type)}`, 0);
  return number;
}

/** `next` is the first byte after the name where it stood, not where a pointer led. */
function readName(bytes: Buffer, start: number): { name: string; next: number } {
  const labels: string[] = [];
  let next = -1;
  let at = start;
  let used = 1;
  // Every pointer must lead before the lowest place read so far: then no chain can loop.
  let floor = start;
  for (;;) {
    need(bytes, at, 1);
    const length = bytes.readUInt8(at);
    if (length === 0) return { name: labels.join('.'), next: next === -1 ? at + 1 : next };
    if (length >= 0xc0) {
      need(bytes, at, 2);
      const target = bytes.readUInt16BE(at) & 0x3fff;
      if (target >= floor) throw new ProtocolError('DNS name points forward', at);
      if (next === -1) next = at + 2;
      floor = target;
      at = target;
      continue;
    }
    if (length > MAX_LABEL_BYTES) throw new ProtocolError('DNS label type unknown', at);
    need(bytes, at + 1, length);
    used += length + 1;
    if (used > MAX_NAME_BYTES) throw new ProtocolError('DNS name longer than 255 bytes', start);
    labels.push(escape(bytes.toString('latin1', at + 1, at + 1 + length), /[^!-~]|[.\\]/g));
    at += length + 1;
  }
}

function encodeName(name: string): Buffer {
  if (name === '') return Buffer.alloc(1);
  const labels = splitLabels(name);
  const parts = labels.map((label) => {
    if (label.length === 0 || label.length > MAX_LABEL_BYTES) {
      throw new ProtocolError(`DNS label of ${label.length} bytes`, 0);
    }
    return Buffer.concat([Buffer.from([label.length]), label]);
  });
  const encoded = Buffer.concat([...parts, Buffer.alloc(1)]);
  if (encoded.length > MAX_NAME_BYTES) throw new ProtocolError('DNS name longer than 255 bytes', 0);
  return encoded;
}

/** Dots part labels unless escaped. */
function splitLabels(name: string): Buffer[] {
  const labels = name.match(/(?:\\\d{3}|\\.|[^\\.])+/gs) ?? [];
  if (labels.join('.') !== name)
    throw new ProtocolError(`not a DNS name: ${JSON.stringify(name.slice(0, 80))}`, 0);
  return labels.map(unescape);
}

/** Bytes (as latin1 text) that `odd` matches become `\DDD`, or `\c` when printable. */
function escape(text: string, odd: RegExp): string {
  return text.replace(odd, (char) =>
    /[!-~]/.test(char) ? `\\${char}` : `\\${String(char.charCodeAt(0)).padStart(3, '0')}`,
  );
}

function unescape(text: string): Buffer {
  const plain = text.replace(
    /\\(\d{3})|\\(.)/gs,
    (_whole, code: string | undefined, char: string | undefined) =>
      code === undefined ? (char ?? '') : String.fromCharCode(Number(code) & 0xff),
  );
  return Buffer.from(plain, 'latin1');
}

function readData(bytes: Buffer, type: string, at: number, length: number): string {
  const fits = (minimum: number): boolean => length >= minimum;
  const raw = bytes.subarray(at, at + length);
  switch (type) {
    case 'A':
      return length === 4 ? raw.join('.') : raw.toString('hex');
    case 'AAAA':
      return length === 16 ? formatIPv6(raw) : raw.toString('hex');
    case 'CNAME':
    case 'NS':
    case 'PTR':
    case 'DNAME':
      return readName(bytes, at).name;
    case 'MX':
      return fits(3) ? `${raw.readUInt16BE(0)} ${readName(bytes, at + 2).name}` : raw.toString('hex');
    case 'SRV': {
      if (!fits(7)) return raw.toString('hex');
      return `${raw.readUInt16BE(0)} ${raw.readUInt16BE(2)} ${raw.readUInt16BE(4)} ${readName(bytes, at + 6).name}`;
    }
    case 'SOA': {
      const primary = readName(bytes, at);
      const mailbox = readName(bytes, primary.next);
      need(bytes, mailbox.next, 20);
      const numbers = [0, 4, 8, 12, 16].map((offset) => bytes.readUInt32BE(mailbox.next + offset));
      return [primary.name, mailbox.name, ...numbers].join(' ');
    }
    case 'TXT':
    case 'SPF':
      return escape(readText(raw), /[^ -~]|\\/g);
    default:
      return raw.toString('hex');
  }
}

/** Character strings (RFC 1035 section 3.3), joined. */
function readText(raw: Buffer): string {
  let text = '';
  for (let at = 0; at < raw.length; at += 1 + raw.readUInt8(at)) {
    text += raw.toString('latin1', at + 1, at + 1 + raw.readUInt8(at));
  }
  return text;
}

function encodeData(type: string, data: string): Buffer {
  const fields = data.split(' ');
  switch (type) {
    case 'A':
      if (!isIPv4(data)) break;
      return Buffer.from(data.split('.').map(Number));
    case 'AAAA':
      if (!isIPv6(data)) break;
      return parseIPv6(data);
    case 'CNAME':
    case 'NS':
    case 'PTR':
    case 'DNAME':
      return encodeName(data);
    case 'MX':
      return Buffer.concat([uint16s(fields.slice(0, 1)), encodeName(fields.slice(1).join(' '))]);
    case 'SRV':
      return Buffer.concat([uint16s(fields.slice(0, 3)), encodeName(fields.slice(3).join(' '))]);
    case 'SOA': {
      const numbers = Buffer.alloc(20);
      fields.slice(2, 7).forEach((field, i) => numbers.writeUInt32BE(Number(field) >>> 0, i * 4));
      return Buffer.concat([encodeName(fields[0] ?? ''), encodeName(fields[1] ?? ''), numbers]);
    }
    case 'TXT':
    case 'SPF':
      return encodeText(unescape(data));
    default:
      if (/^(?:[0-9a-f]{2})*$/.test(data)) return Buffer.from(data, 'hex');
  }
  throw new ProtocolError(`not ${type} data: ${JSON.stringify(data.slice(0, 80))}`, 0);
}

function encodeText(text: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at === 0 || at < text.length; at += 255) {
    const part = text.subarray(at, at + 255);
    parts.push(Buffer.from([part.length]), part);
  }
  return Buffer.concat(parts);
}

function uint16s(fields: readonly string[]): Buffer {
  const bytes = Buffer.alloc(fields.length * 2);
  fields.forEach((field, i) => {
    if (!/^\d{1,5}$/.test(field) || Number(field) > 0xffff) {
      throw new ProtocolError(`not a 16-bit number: ${JSON.stringify(field.slice(0, 20))}`, 0);
    }
    bytes.writeUInt16BE(Number(field), i * 2);
  });
  return bytes;
}
