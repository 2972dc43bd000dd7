import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { SandboxError } from '#domain/errors.js';

/** Bytes whose number is known before the first is read: the agents understand no chunked body. */
export interface Content {
  readonly size: number;
  readonly chunks: () => Iterable<Buffer> | AsyncIterable<Buffer>;
}

export interface Body extends Content {
  /** Content-Type. */
  readonly type: string;
}

export interface FilePart {
  /** Name of the form field. */
  readonly field: string;
  /** A part without a file name would be a text field to the agents. */
  readonly fileName: string;
  readonly content: Content;
}

export function bytes(content: Buffer | string): Content {
  const buffer = Buffer.from(content);
  return { size: buffer.length, chunks: () => [buffer] };
}

/** A file on the host, read while it is sent. @throws SAMPLE_MISSING */
export async function file(path: string): Promise<Content> {
  try {
    const { size } = await stat(path);
    const chunks = () => createReadStream(path, { end: size - 1 }) as AsyncIterable<Buffer>;
    return { size, chunks: size === 0 ? () => [] : chunks };
  } catch (cause) {
    throw new SandboxError('SAMPLE_MISSING', `${path} cannot be read`, { cause });
  }
}

/** application/x-www-form-urlencoded. The agents drop blank values: leave such fields out. */
export function form(fields: Readonly<Record<string, string>>): Body {
  const text = new URLSearchParams(fields).toString();
  return { type: 'application/x-www-form-urlencoded', ...bytes(text) };
}

/** multipart/form-data: text fields, then files. */
export function multipart(fields: Readonly<Record<string, string>>, files: readonly FilePart[]): Body {
  const boundary = randomBytes(16).toString('hex');
  const head = (disposition: string) =>
    Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n`);
  const parts: Content[] = [];
  for (const [name, value] of Object.entries(fields)) {
    parts.push(bytes(head(`name="${escaped(name)}"`)), bytes(`${value}\r\n`));
  }
  for (const { field, fileName, content } of files) {
    parts.push(
      bytes(head(`name="${escaped(field)}"; filename="${escaped(fileName)}"`)),
      content,
      bytes('\r\n'),
    );
  }
  parts.push(bytes(`--${boundary}--\r\n`));
  return { type: `multipart/form-data; boundary=${boundary}`, ...joined(parts) };
}

/** As browsers do: https://html.spec.whatwg.org/#multipart-form-data */
function escaped(name: string): string {
  return name.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

/** Up to here a body is one buffer and leaves in one packet or few. */
const SMALL_BYTES = 64 * 1024;

function joined(parts: readonly Content[]): Content {
  const size = parts.reduce((sum, part) => sum + part.size, 0);
  return {
    size,
    async *chunks() {
      let small: Buffer[] = [];
      let length = 0;
      for (const part of parts) {
        for await (const chunk of part.chunks()) {
          small.push(chunk);
          length += chunk.length;
          if (length < SMALL_BYTES) continue;
          yield Buffer.concat(small);
          small = [];
          length = 0;
        }
      }
      yield Buffer.concat(small);
    },
  };
}
