import type { HeldSample } from '#distribution/sample-files.js';
import type { MultipartFile } from '@fastify/multipart';
import { baseName } from '../../http/file-name.js';
import { problem } from '../../http/problem.js';
import type { Context } from '../context.js';

/** A file in the samples folder. */
export interface Upload {
  /** What the client calls it. */
  readonly name: string;
  readonly sample: HeldSample;
}

/** The file of one request, until its task is committed or refused: what is no task's goes. */
export class Received implements AsyncDisposable {
  readonly #by: Context;
  #upload: Upload | null = null;

  constructor(by: Context) {
    this.#by = by;
  }

  get upload(): Upload | null {
    return this.#upload;
  }

  /** One file, one task: of more the first counts. @throws UPLOAD_TOO_LARGE, NO_DISK_SPACE, 404 for an empty one */
  async take(part: MultipartFile, signal: AbortSignal): Promise<void> {
    if (this.#upload !== null) {
      part.file.resume();
      return;
    }
    const { samples, settings } = this.#by;
    const sample = await samples.store(part.file, settings.uploadMaxSize, signal);
    this.#upload = { name: baseName(part.filename) ?? sample.sha256, sample };
    if (sample.size === 0) throw problem(404, 'Provided file is empty');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#upload?.sample[Symbol.asyncDispose]();
  }
}
