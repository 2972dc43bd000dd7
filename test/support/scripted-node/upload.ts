import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { crc32 } from 'node:zlib';
import type { NewTask } from './lab.js';
import type { NodeSample } from './options.js';

export interface Upload {
  readonly fields: Readonly<Record<string, string>>;
  readonly file: { readonly name: string; readonly bytes: Buffer } | null;
}

/** The form of a submission, multipart or urlencoded. A part named `file` is the file. @throws Error when it is none */
export async function readUpload(request: IncomingMessage): Promise<Upload> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const type = request.headers['content-type'] ?? '';
  if (type.startsWith('application/x-www-form-urlencoded'))
    return { fields: Object.fromEntries(new URLSearchParams(body.toString())), file: null };
  const boundary = /^multipart\/form-data;.*boundary="?([^";]+)"?/i.exec(type)?.[1];
  if (boundary === undefined) throw new Error(`no form comes as ${type}`);
  const parts = partsOf(body, `--${boundary}`);
  const plain = parts.filter(({ fileName }) => fileName === null);
  const file = parts.find(({ name, fileName }) => name === 'file' && fileName !== null);
  return {
    fields: Object.fromEntries(plain.map(({ name, bytes }) => [name, bytes.toString()])),
    file: file ? { name: file.fileName ?? '', bytes: file.bytes } : null,
  };
}

interface Part {
  readonly name: string;
  readonly fileName: string | null;
  readonly bytes: Buffer;
}

/** @see https://www.rfc-editor.org/rfc/rfc7578 */
function partsOf(body: Buffer, delimiter: string): Part[] {
  const parts: Part[] = [];
  let at = body.indexOf(delimiter) + delimiter.length;
  while (body.subarray(at, at + 2).toString() === '\r\n') {
    const bytesAt = body.indexOf('\r\n\r\n', at) + 4;
    const end = body.indexOf(`\r\n${delimiter}`, bytesAt);
    if (bytesAt < 4 || end === -1) throw new Error('the form breaks off in the middle of a part');
    const head = body.subarray(at, bytesAt).toString();
    parts.push({
      name: parameter(head, 'name') ?? '',
      fileName: parameter(head, 'filename'),
      bytes: body.subarray(bytesAt, end),
    });
    at = end + 2 + delimiter.length;
  }
  if (body.subarray(at, at + 2).toString() !== '--') throw new Error('the form has no end');
  return parts;
}

/** Of Content-Disposition, with the characters that browsers percent-encode in it. */
function parameter(head: string, name: string): string | null {
  const quoted = new RegExp(`[; ]${name}="([^"]*)"`).exec(head)?.[1];
  return quoted?.replace(/%22|%0D|%0A/g, decodeURIComponent) ?? null;
}

export function sampleOf(id: number, bytes: Buffer): NodeSample {
  const hash = (algorithm: string) => createHash(algorithm).update(bytes).digest('hex');
  return {
    id,
    size: bytes.length,
    md5: hash('md5'),
    crc32: crc32(bytes).toString(16).padStart(8, '0').toUpperCase(),
    sha1: hash('sha1'),
    sha256: hash('sha256'),
    sha512: hash('sha512'),
  };
}

/** The task that the form asks for, or what is missing in it. */
export function taskOf(
  { fields, file }: Upload,
  kind: 'file' | 'url',
  sampleId: () => number,
): NewTask | null {
  const given = (name: string) => fields[name] || null;
  const target = kind === 'file' ? file?.name : fields['url'];
  if (!target) return null;
  return {
    mark: markIn([fields['owner'], fields['options'], fields['custom']].join(' ')),
    category: kind,
    target,
    sample: file && kind === 'file' ? sampleOf(sampleId(), file.bytes) : null,
    fields,
    owner: fields['owner'] ?? '',
    machine: given('machine'),
    platform: given('platform'),
    arch: given('arch'),
    tags: (fields['tags'] ?? '')
      .split(',')
      .map((tag) => tag.trim())
      .filter(Boolean),
    priority: Number(given('priority') ?? 1),
  };
}

function markIn(text: string): string | null {
  return /\bdist:[\w-]+/.exec(text)?.[0] ?? null;
}
