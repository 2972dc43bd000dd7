import type { NodeMachineRow, NodeRow } from '#distribution/entities/node.entity.js';
import type { Load } from '#distribution/placement.js';
import { unnamed } from '#distribution/unnamed.js';
import { plainDateOrNull } from '../../http/dates.js';

/** What a node's row does not say of it. */
interface Beside {
  readonly machines: readonly NodeMachineRow[];
  readonly load: Load | undefined;
  /** Copies of tasks that are still to be deleted there. */
  readonly removals: number;
  /** Tasks that may run there only, and are not there yet. */
  readonly waiting: number;
}

/** Everything that is told of a node, never its token. The first five keys are Cuckoo's. */
export function nodeView(node: NodeRow, { machines, load, removals, waiting }: Beside) {
  const { name, url, enabled, mode, dialect, token, seenOn, lastError, retryOn } = node;
  const { assigned = 0, sending = 0, processing = 0, fetching = 0 } = load ?? {};
  return {
    name,
    url,
    machines: machines.map((one) => ({ name: one.name, platform: one.platform, tags: one.tags })),
    enabled,
    mode,
    dialect,
    has_token: token !== null,
    last_seen: plainDateOrNull(seenOn),
    last_error: lastError && unnamed(name, lastError),
    /** When it is called again, while it is not. */
    retry_on: plainDateOrNull(retryOn !== null && retryOn > new Date() ? retryOn : null),
    tasks: {
      assigned: waiting + assigned + sending,
      processing: processing + fetching,
      /** Of the assigned ones. */
      waiting,
    },
    removals,
  };
}

export type NodeView = ReturnType<typeof nodeView>;
