import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** The config and the part headers before the sample; ours are a few kilobytes. */
const MAX_HEAD_BYTES = 1024 * 1024;

/** A text field cannot hold this: no value of analysis.conf has a line end of its own. */
const FILE_PART = /\r\nContent-Disposition: form-data; name="file"; filename="([^"\r\n]*)"\r\n\r\n/;

/** What POST /analyze carried. The sample is hashed as it comes and kept nowhere. */
export interface AnalysisRequest {
  /** Keys of analysis.conf. */
  readonly config: ReadonlyMap<string, string>;
  /** What the guest's clock is set to, seconds since 1970; null: not. */
  readonly clock: number | null;
  readonly sample: { readonly name: string; readonly size: number; readonly sha256: string } | null;
}

/**
 * Reads the multipart body of POST /analyze: text fields, then at most one file, which must be the last part.
 * Null when it is none, or has no `config`.
 *
 * @see analyzer-guest/README.md, "analyze"
 */
export async function readAnalysisRequest(request: IncomingMessage): Promise<AnalysisRequest | null> {
  const boundary = /^multipart\/form-data; boundary=([\w-]{1,70})$/.exec(
    request.headers['content-type'] ?? '',
  );
  const length = Number(request.headers['content-length']);
  if (boundary?.[1] === undefined || !(length > 0)) return null;
  const fileEnd = length - `\r\n--${boundary[1]}--\r\n`.length;

  const hash = createHash('sha256');
  let head = '';
  let at = 0;
  let file: { readonly name: string; readonly from: number } | null = null;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    const start = at;
    at += chunk.length;
    if (file === null) {
      head += chunk.toString('latin1'); // one character a byte
      const part = FILE_PART.exec(head);
      if (part === null && head.length > MAX_HEAD_BYTES) return null;
      if (part === null) continue;
      file = { name: part[1] ?? '', from: part.index + part[0].length };
      head = head.slice(0, part.index);
    }
    hash.update(chunk.subarray(Math.max(0, file.from - start), Math.max(0, fileEnd - start)));
  }
  const config = field(head, 'config');
  if (config === null || at !== length || (file !== null && file.from > fileEnd)) return null;
  const clock = field(head, 'clock');
  return {
    config: readConfig(config),
    clock: clock === null ? null : Number(clock),
    sample: file && {
      name: utf8(file.name),
      size: fileEnd - file.from,
      sha256: hash.digest('hex'),
    },
  };
}

function field(head: string, name: string): string | null {
  const found = new RegExp(`form-data; name="${name}"\r\n\r\n([^]*?)(?:\r\n--|$)`).exec(head);
  return found?.[1] === undefined ? null : utf8(found[1]);
}

function utf8(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('utf8');
}

function readConfig(text: string): ReadonlyMap<string, string> {
  const pairs = text.split('\n').map((line): [string, string] => {
    const at = line.indexOf('=');
    return [line.slice(0, Math.max(0, at)).trim(), line.slice(at + 1).trim()];
  });
  return new Map(pairs.filter(([key]) => key !== ''));
}
