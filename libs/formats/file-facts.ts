import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { fileType, MAGIC_BYTES } from './magic.js';
import { Ssdeep } from './ssdeep.js';

/** What is known of any file's content. Hex is lower case, but crc32: 8 upper-case digits, as Cuckoo writes it. */
export interface FileFacts {
  /** Bytes. */
  readonly size: number;
  readonly crc32: string;
  readonly md5: string;
  readonly sha1: string;
  readonly sha256: string;
  readonly sha512: string;
  readonly ssdeep: string;
  /** libmagic's text. */
  readonly type: string;
}

/** Takes a file's bytes once, in order, in chunks of any size. Keeps the first MiB in memory, nothing else. */
export class FileFactsBuilder {
  readonly #digests = ['md5', 'sha1', 'sha256', 'sha512'].map((name) => createHash(name));
  readonly #ssdeep = new Ssdeep();
  readonly #head: Uint8Array[] = [];
  #kept = 0;
  #crc = 0;
  #size = 0;

  update(chunk: Uint8Array): void {
    this.#size += chunk.length;
    this.#crc = crc32(chunk, this.#crc);
    for (const digest of this.#digests) digest.update(chunk);
    this.#ssdeep.update(chunk);
    if (this.#kept < MAGIC_BYTES && chunk.length > 0) {
      // Copied: callers may reuse their buffer.
      const part = Buffer.from(chunk.subarray(0, MAGIC_BYTES - this.#kept));
      this.#head.push(part);
      this.#kept += part.length;
    }
  }

  async finish(): Promise<FileFacts> {
    const [md5 = '', sha1 = '', sha256 = '', sha512 = ''] = this.#digests.map((digest) =>
      digest.digest('hex'),
    );
    const type = await fileType(Buffer.concat(this.#head));
    return {
      size: this.#size,
      crc32: this.#crc.toString(16).toUpperCase().padStart(8, '0'),
      md5,
      sha1,
      sha256,
      sha512,
      ssdeep: this.#ssdeep.finish(),
      type,
    };
  }
}

/** Facts of everything `chunks` gives; its errors pass through. */
export async function fileFacts(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<FileFacts> {
  const builder = new FileFactsBuilder();
  for await (const chunk of chunks) builder.update(chunk);
  return builder.finish();
}
