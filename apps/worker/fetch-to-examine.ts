import { SandboxError } from '#domain/errors.js';
import type { Task } from '#domain/task.js';
import type { ArtifactStore } from '#storage/artifacts/store.js';

/**
 * A task's artefacts and its sample on this host; null: it has none. A sample that is gone costs the report what the
 * artefacts do not tell of it.
 *
 * @throws ARTIFACTS_UNAVAILABLE, ARTIFACTS_DAMAGED, NO_DISK_SPACE
 */
export async function fetchToExamine(
  artifacts: ArtifactStore,
  { id, sample }: Task,
  signal: AbortSignal,
): Promise<string | null> {
  const dir = await artifacts.fetch(id, signal);
  if (dir === null || sample === null) return dir;
  try {
    await artifacts.fetchSample(sample.sha256, signal);
  } catch (error) {
    if (!(error instanceof SandboxError) || error.code !== 'SAMPLE_MISSING') throw error;
  }
  return dir;
}
