import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { MultipartFile } from '@fastify/multipart';
import type { Sample } from '#domain/task.js';
import { storeSample } from '#storage/binaries.js';
import type { Context } from '../context.js';
import { baseName } from '../../http/file-name.js';

/** A file that is in storage/binaries, and the name a task calls it by. */
export interface Upload {
  readonly name: string;
  readonly sample: Omit<Sample, 'id'>;
}

/** Every host can fetch it afterwards. @throws UPLOAD_TOO_LARGE, NO_DISK_SPACE, ARTIFACTS_UNAVAILABLE */
export async function storeUpload(part: MultipartFile, by: Context, signal: AbortSignal): Promise<Upload> {
  const sample = await storeSample(
    part.file,
    {
      binariesDir: by.home.binaries,
      maxBytes: by.settings.api.upload_max_size,
      follow: (path) => by.facts.follow(path),
    },
    signal,
  );
  await by.artifacts.putSample(sample.sha256, signal);
  return { name: baseName(part.filename) ?? sample.sha256, sample };
}

/** Makes the path that the task's `target` names. */
export async function linkTarget(targets: string, { name, sample }: Upload): Promise<void> {
  const dir = join(targets, sample.sha256);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  try {
    await symlink(join('..', '..', 'binaries', sample.sha256), join(dir, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
