import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { SandboxError } from '#domain/errors.js';

/** Values of a form by name; null leaves the field out. */
export type Fields = Readonly<Record<string, string | null>>;

/** A request's body; its length is known before the first byte is read. */
export interface Body {
  /** Content-Type. */
  readonly type: string;
  readonly size: number;
  readonly chunks: () => Iterable<Buffer> | AsyncIterable<Buffer>;
}

export interface Upload {
  readonly fields: Fields;
  /** `field`: of the form; `file` unless given. */
  readonly file: { readonly path: string; readonly name: string; readonly field?: string };
}

/** application/x-www-form-urlencoded */
export function form(fields: Fields): Body {
  const bytes = Buffer.from(new URLSearchParams(present(fields)).toString());
  return { type: 'application/x-www-form-urlencoded', size: bytes.length, chunks: () => [bytes] };
}

/**
 * multipart/form-data: the fields, then the file, which is read while it is sent.
 *
 * @throws SAMPLE_MISSING when it cannot be read, also later by `chunks`
 */
export async function multipart({ fields, file }: Upload): Promise<Body> {
  const { size } = await stat(file.path).catch((cause: unknown) => {
    throw missing(file.path, cause);
  });
  const boundary = randomBytes(16).toString('hex');
  const part = (disposition: string) => `--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\n`;
  const texts = present(fields).map(([name, value]) => `${part(`name="${escaped(name)}"`)}\r\n${value}\r\n`);
  const fileHead = part(`name="${escaped(file.field ?? 'file')}"; filename="${escaped(file.name)}"`);
  const head = Buffer.from(`${texts.join('')}${fileHead}Content-Type: application/octet-stream\r\n\r\n`);
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  return {
    type: `multipart/form-data; boundary=${boundary}`,
    size: head.length + size + tail.length,
    async *chunks() {
      yield head;
      if (size > 0) yield* fileChunks(file.path, size);
      yield tail;
    },
  };
}

/** Exactly `size` bytes: one more or fewer, and what the node got would not be what was announced. */
async function* fileChunks(path: string, size: number): AsyncGenerator<Buffer> {
  let left = size;
  try {
    for await (const chunk of createReadStream(path, { end: size - 1 }) as AsyncIterable<Buffer>) {
      left -= chunk.length;
      yield chunk;
    }
  } catch (cause) {
    throw missing(path, cause);
  }
  if (left > 0) throw missing(path, new Error('it became shorter while it was sent'));
}

function missing(path: string, cause: unknown): SandboxError {
  return new SandboxError('SAMPLE_MISSING', `${path} cannot be sent to the node`, { cause });
}

function present(fields: Fields): [name: string, value: string][] {
  return Object.entries(fields).flatMap(([name, value]) => (value === null ? [] : [[name, value]]));
}

/** As browsers do: https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data */
function escaped(name: string): string {
  return name.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}
