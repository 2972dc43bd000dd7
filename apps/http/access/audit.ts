import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Log } from '../../log.js';
import { parseId } from '../paths.js';
import { callerOf } from './caller.js';
import { changesSomething } from './needs.js';

/** Answers that tell which tasks were made. */
interface Made {
  readonly task_id?: unknown;
  readonly task_ids?: unknown;
  readonly reboot_id?: unknown;
}

/** Nodes whose names are not in the path. */
const nodes = new WeakMap<FastifyRequest, string>();

/** The request is about the node of this name. */
export function auditNode(request: FastifyRequest, name: string): void {
  nodes.set(request, name);
}

/**
 * One log line `audit` for every request that would change something, refused or not. Its fields, always all of them:
 * `token` (name or null), `client` (address), `method`, `path` (the route's pattern), `task` (id in the path, or null),
 * `made` (ids of tasks it made), `status`; and of a request about a node its name, `node`.
 */
export function addAudit(fastify: FastifyInstance, log: Log): void {
  const made = new WeakMap<FastifyRequest, readonly number[]>();
  fastify.addHook('preSerialization', async (request, _reply, payload) => {
    if (changesSomething(request)) made.set(request, idsIn(payload as Made));
    return payload;
  });
  fastify.addHook('onResponse', async (request, reply) => {
    if (!changesSomething(request)) return;
    const { token, address } = callerOf(request);
    const { id = '', name = null } = request.params as { id?: string; name?: string };
    const { url = '' } = request.routeOptions;
    const node = nodes.get(request) ?? (url.includes('/node/:name') ? name : null);
    log('info', 'audit', {
      token,
      client: address,
      method: request.method,
      path: url,
      task: parseId(id),
      ...(node !== null && { node }),
      made: made.get(request) ?? [],
      status: reply.statusCode,
    });
  });
}

function idsIn({ task_id, task_ids, reboot_id }: Made): readonly number[] {
  const ids: readonly unknown[] = Array.isArray(task_ids) ? task_ids : [reboot_id ?? task_id];
  return ids.filter((id) => typeof id === 'number');
}
