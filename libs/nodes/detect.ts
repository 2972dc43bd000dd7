import { z } from 'zod';
import { status as cuckooStatus } from './cuckoo-shapes.js';
import type { Dialect } from './dialect.js';
import { NodeError } from './error.js';
import { NodeHttp, type HttpOptions } from './http.js';
import type { NodeAddress, NodeLimits } from './node.js';

/** GET health/live, which only Malkoha has. */
const live = z.object({ status: z.literal('live') });
/** GET cuckoo/status/ of CAPE, also when api.conf switches it off. */
const capeStatus = z.union([
  z.object({ error: z.literal(false), data: z.object({ tasks: z.object({}), machines: z.object({}) }) }),
  z.object({ error: z.literal(true), error_value: z.string() }),
]);

/**
 * Finds out whose API a node speaks, by what it answers with its token.
 *
 * @throws NodeError naming what came: NODE_UNREACHABLE, NODE_BUSY, NODE_DENIED, or NODE_ODD when it is none of the three
 */
export async function detectDialect(
  address: NodeAddress,
  limits: NodeLimits,
  signal: AbortSignal,
  options: HttpOptions = {},
): Promise<Dialect> {
  const bearer = new NodeHttp(address, limits, options);
  const token = new NodeHttp(address, limits, { ...options, scheme: 'Token' });
  try {
    const first = await answers(bearer, 'cuckoo/status', cuckooStatus, signal);
    if (first === null)
      return (await answers(bearer, 'health/live', live, signal)) === null ? 'malkoha' : 'cuckoo';
    const second = await answers(token, 'cuckoo/status/', capeStatus, signal);
    if (second === null) return 'cape';
    throw [first, second].find(({ code }) => code === 'NODE_DENIED') ?? first;
  } finally {
    bearer.close();
    token.close();
  }
}

/** Null: as the schema has it; else why not. @throws when it cannot be known now */
async function answers(
  http: NodeHttp,
  path: string,
  schema: z.ZodType,
  signal: AbortSignal,
): Promise<NodeError | null> {
  try {
    http.read(schema, { path }, await http.json({ path }, signal));
    return null;
  } catch (error) {
    if (
      !(error instanceof NodeError) ||
      ['NODE_UNREACHABLE', 'NODE_BUSY', 'NODE_ADDRESS'].includes(error.code)
    )
      throw error;
    return error;
  }
}
