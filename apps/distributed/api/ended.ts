import type { DistTaskRow } from '#distribution/entities/dist-task.entity.js';
import type { Context } from '../context.js';

/** A client has ended a task: its sample may go, its copy on a node is deleted, and others have room. */
export async function ended(
  { samples, bells }: Pick<Context, 'samples' | 'bells'>,
  { sha256, nodeId }: Pick<DistTaskRow, 'sha256' | 'nodeId'>,
): Promise<void> {
  if (sha256 !== null) await samples.remove(sha256);
  if (nodeId !== null) bells.remove(nodeId);
  bells.place();
}
