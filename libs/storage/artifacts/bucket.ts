import type { Readable } from 'node:stream';
import type * as S3 from '@aws-sdk/client-s3';
import { reason, SandboxError } from '#domain/errors.js';

export interface BucketOptions {
  readonly bucket: string;
  /** Before every key; no slash at its ends. */
  readonly prefix: string;
  /** http(s)://host:port; empty: Amazon's. */
  readonly endpoint: string;
  readonly region: string;
  /** Both empty: those the SDK finds in the environment, ~/.aws, or the instance. */
  readonly accessKey: string;
  readonly secretKey: string;
}

/** Bytes of a part of a large object, and parts of one object on their way at once: all that is held in memory. */
const PART_BYTES = 8 * 1024 * 1024;
const PARTS_AT_ONCE = 2;
/** Tries of one request, with growing pauses. */
const ATTEMPTS = 4;
/** Milliseconds. */
const CONNECT_TIMEOUT_MS = 5_000;
const SILENCE_TIMEOUT_MS = 60_000;

export interface FoundObject {
  readonly body: Readable;
  readonly etag: string;
}

type Sdk = typeof S3;

/** A bucket of an S3-compatible object store. Keys are below the prefix. */
export class Bucket {
  /** Loaded when it is first asked: who has no object store does not wait for its library. */
  #open: Promise<{ readonly sdk: Sdk; readonly client: S3.S3Client }> | undefined;

  constructor(private readonly options: BucketOptions) {}

  /** For messages. */
  urlOf(key: string): string {
    return `s3://${this.options.bucket}/${this.#key(key)}`;
  }

  /** Streams it, in parts when it is large. Returns the ETag. @throws ARTIFACTS_UNAVAILABLE, what `body` throws */
  async put(key: string, body: Readable | Buffer, signal: AbortSignal): Promise<string> {
    return this.#ask(key, signal, async ({ client }, target) => {
      const { Upload } = await import('@aws-sdk/lib-storage');
      const upload = new Upload({
        client,
        params: { ...target, Body: body },
        partSize: PART_BYTES,
        queueSize: PARTS_AT_ONCE,
      });
      const abort = (): void => void upload.abort();
      signal.addEventListener('abort', abort);
      try {
        return (await upload.done()).ETag ?? '';
      } finally {
        signal.removeEventListener('abort', abort);
      }
    });
  }

  /** Null: there is none; `same`: it is the one with `knownEtag`. @throws ARTIFACTS_UNAVAILABLE */
  async get(key: string, signal: AbortSignal, knownEtag?: string): Promise<FoundObject | 'same' | null> {
    return this.#ask(key, signal, async ({ sdk, client }, target) => {
      const known = knownEtag ? { IfNoneMatch: knownEtag } : {};
      const command = new sdk.GetObjectCommand({ ...target, ...known });
      try {
        const { Body, ETag } = await client.send(command, { abortSignal: signal });
        return { body: Body as Readable, etag: ETag ?? '' };
      } catch (error) {
        if (statusOf(error) === 304) return 'same';
        if (isMissing(error)) return null;
        throw error;
      }
    });
  }

  /** Bytes; null: there is none. @throws ARTIFACTS_UNAVAILABLE */
  async size(key: string, signal: AbortSignal): Promise<number | null> {
    return this.#ask(key, signal, async ({ sdk, client }, target) => {
      try {
        const found = await client.send(new sdk.HeadObjectCommand(target), { abortSignal: signal });
        return found.ContentLength ?? null;
      } catch (error) {
        if (isMissing(error)) return null;
        throw error;
      }
    });
  }

  /** Every object whose key begins so. @throws ARTIFACTS_UNAVAILABLE */
  async removeBelow(start: string, signal: AbortSignal): Promise<void> {
    await this.#ask(start, signal, async ({ sdk, client }, { Bucket, Key }) => {
      for (;;) {
        const list = new sdk.ListObjectsV2Command({ Bucket, Prefix: Key });
        const { Contents = [] } = await client.send(list, { abortSignal: signal });
        if (Contents.length === 0) return;
        const Objects = Contents.map((found) => ({ Key: found.Key ?? '' }));
        const remove = new sdk.DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } });
        const { Errors: [refused] = [] } = await client.send(remove, { abortSignal: signal });
        if (refused) throw new Error(`${refused.Key} was not removed: ${refused.Code} ${refused.Message}`);
      }
    });
  }

  async close(): Promise<void> {
    const open = await this.#open;
    open?.client.destroy();
  }

  async #ask<T>(
    key: string,
    signal: AbortSignal,
    work: (open: { sdk: Sdk; client: S3.S3Client }, target: { Bucket: string; Key: string }) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    try {
      const open = await (this.#open ??= this.#connect());
      return await work(open, { Bucket: this.options.bucket, Key: this.#key(key) });
    } catch (cause) {
      signal.throwIfAborted();
      throw unavailable(this.urlOf(key), cause);
    }
  }

  async #connect(): Promise<{ sdk: Sdk; client: S3.S3Client }> {
    const { endpoint, region, accessKey, secretKey } = this.options;
    const sdk = await import('@aws-sdk/client-s3');
    const client = new sdk.S3Client({
      region,
      maxAttempts: ATTEMPTS,
      requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, socketTimeout: SILENCE_TIMEOUT_MS },
      // Servers other than Amazon's know buckets by path, and do not know its newer checksums.
      ...(endpoint !== '' && { endpoint, forcePathStyle: true }),
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      ...(accessKey !== '' && { credentials: { accessKeyId: accessKey, secretAccessKey: secretKey } }),
    });
    return { sdk, client };
  }

  #key(key: string): string {
    return this.options.prefix === '' ? key : `${this.options.prefix}/${key}`;
  }
}

/** An object that began to come, and did not end. */
export class BrokenBody extends SandboxError {
  constructor(url: string, cause: unknown) {
    super('ARTIFACTS_UNAVAILABLE', `${url} broke off: ${reason(cause)}`, { cause });
  }
}

/** @param url of the object, for people */
function unavailable(url: string, cause: unknown): SandboxError {
  if (cause instanceof SandboxError) return cause;
  const status = statusOf(cause);
  const name = cause instanceof Error && cause.name !== 'Error' ? `${cause.name}: ` : '';
  const answer = status === undefined ? '' : ` (HTTP ${status})`;
  return new SandboxError('ARTIFACTS_UNAVAILABLE', `${url}: ${name}${reason(cause)}${answer}`, { cause });
}

function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } } | null)?.$metadata?.httpStatusCode;
}

/** A bucket that is missing is a mistake in the configuration, not an answer. */
function isMissing(error: unknown): boolean {
  return statusOf(error) === 404 && (error as Error).name !== 'NoSuchBucket';
}

/** Again when the store broke off within a body. Requests that it did not answer the SDK has repeated by itself. */
export async function persist<T>(work: () => Promise<T>): Promise<T> {
  for (let left = ATTEMPTS; ; left -= 1) {
    try {
      return await work();
    } catch (error) {
      if (left === 1 || !(error instanceof BrokenBody)) throw error;
    }
  }
}
