import type { FileHandle } from 'node:fs/promises';
import { openBelow } from '#storage/open-below.js';
import { SandboxError } from '#domain/errors.js';
import type { FastifyReply } from 'fastify';
import type { Context } from '../context.js';
import { unhurried } from '../../http/unhurried.js';
import { whenGone } from '../../http/when-gone.js';

/**
 * Opens what `names` lead to in the artefacts of a task, or their folder; null: there is no such thing. Another host's are
 * fetched first, which may take its time.
 *
 * @throws ARTIFACTS_UNAVAILABLE, ARTIFACTS_DAMAGED, NO_DISK_SPACE, another error of the disk
 */
export async function openArtifact(
  by: Context,
  reply: FastifyReply,
  task: number,
  ...names: readonly string[]
): Promise<FileHandle | null> {
  const dir = await unhurried(reply, () => by.artifacts.fetch(task, whenGone(reply, by.shutdown)));
  return dir === null ? null : openBelow(dir, ...names);
}

/** Opens a sample; null: it is nowhere. @throws as `openArtifact` */
export async function openSample(
  by: Context,
  reply: FastifyReply,
  sha256: string,
): Promise<FileHandle | null> {
  try {
    const signal = whenGone(reply, by.shutdown);
    await unhurried(reply, () => by.artifacts.fetchSample(sha256, signal));
  } catch (error) {
    if (error instanceof SandboxError && error.code === 'SAMPLE_MISSING') return null;
    throw error;
  }
  return openBelow(by.home.binaries, sha256);
}
