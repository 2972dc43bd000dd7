import { reason, SandboxError } from '#domain/errors.js';
import { detectDialect } from '#nodes/detect.js';
import type { Dialect } from '#nodes/dialect.js';
import type { NodeAddress, NodeLimits, NodeMachines, NodeStatus } from '#nodes/node.js';
import { openNode } from '#nodes/open.js';
import { problem } from '../../http/problem.js';

/** What a node says of itself. */
export interface Looked {
  readonly dialect: Dialect;
  readonly machines: NodeMachines;
  readonly status: NodeStatus;
}

export interface Asked {
  readonly address: NodeAddress;
  /** Null: it is found out. */
  readonly dialect: Dialect | null;
  readonly limits: NodeLimits;
  /** Whose words are used when it does not answer as a node does. */
  readonly form: 'root' | 'api';
}

/** Milliseconds that a node may take for each answer while somebody waits to add it. */
const LOOK_MS = 20_000;

/**
 * Asks the node itself, so that nothing is stored of what is no node.
 *
 * @throws 404 in the old words, with the code of the NodeError; NODE_ADDRESS
 */
export async function look(
  { address, dialect, limits: given, form }: Asked,
  signal: AbortSignal,
): Promise<Looked> {
  const limits = { ...given, answer: Math.min(given.answer, LOOK_MS) };
  try {
    const spoken = dialect ?? (await detectDialect(address, limits, signal));
    const client = openNode(address, spoken, limits);
    try {
      const machines = await client.machines(signal);
      return { dialect: spoken, machines, status: await client.status(signal) };
    } finally {
      client.close();
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof SandboxError) || error.code === 'NODE_ADDRESS') throw error;
    const failed =
      form === 'api' ? 'Error connecting to Cuckoo node' : `Invalid Cuckoo node (${address.name})`;
    throw problem(404, `${failed}: ${reason(error)}`, error);
  }
}
