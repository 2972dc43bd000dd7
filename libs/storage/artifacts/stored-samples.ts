import { randomUUID } from 'node:crypto';
import { mkdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SandboxError } from '#domain/errors.js';
import { binaryPath, linkOnce, TEMPORARY } from '../binaries.js';
import type { Bucket } from './bucket.js';
import { touch } from './cache.js';
import { fetchFile, storeFile } from './transfer.js';

/** Samples in a bucket: `binaries/<sha256>`. */
export class StoredSamples {
  constructor(
    private readonly bucket: Bucket,
    private readonly binaries: string,
  ) {}

  /** Bytes; null: it is not there. */
  size(sha256: string, signal: AbortSignal): Promise<number | null> {
    return this.bucket.size(keyOf(sha256), signal);
  }

  async put(sha256: string, signal: AbortSignal): Promise<void> {
    const path = binaryPath(this.binaries, sha256);
    await touch(path); // it may be an old one that was about to be dropped here
    const { size } = await stat(path);
    if ((await this.size(sha256, signal)) === size) return;
    await storeFile(this.bucket, { dir: dirname(path), path: sha256, key: 'binaries' }, signal);
  }

  /** Like an upload: its name never holds half of it. */
  async fetch(sha256: string, signal: AbortSignal): Promise<void> {
    await mkdir(this.binaries, { recursive: true, mode: 0o700 });
    const temporary = join(this.binaries, `${TEMPORARY}${randomUUID()}`);
    try {
      const wanted = { key: keyOf(sha256), sha256, size: null };
      if (!(await fetchFile(this.bucket, wanted, { path: temporary, mode: 0o440 }, signal)))
        throw new SandboxError('SAMPLE_MISSING', `there is no ${this.bucket.urlOf(wanted.key)}`);
      await linkOnce(temporary, binaryPath(this.binaries, sha256));
    } finally {
      await rm(temporary, { force: true });
    }
  }
}

function keyOf(sha256: string): string {
  return `binaries/${sha256}`;
}
