import { deadline } from '#domain/deadline.js';
import { reason } from '#domain/errors.js';
import type { NodeClient, NodeLimits } from '#nodes/node.js';
import { ok, skipped, warn, type Verdict } from '../../verdict.js';
import { duration } from './words.js';

/** Does its stream open? Each connection begins with an event of its own. */
export async function eventStream(
  client: NodeClient,
  limits: NodeLimits,
  signal: AbortSignal,
): Promise<Verdict> {
  if (client.events === null) return skipped(`${client.dialect} has none: the node is asked instead`);
  using within = deadline(limits.answer, signal);
  const began = performance.now();
  try {
    for await (const _event of client.events(null, within.signal))
      return ok(`the stream is open after ${duration(performance.now() - began)}`);
  } catch (error) {
    signal.throwIfAborted();
    return warn(`there is no stream: ${reason(error)}; the node is asked instead, which is slower`, UPDATE);
  }
  signal.throwIfAborted();
  return warn(
    `nothing came of the stream within ${duration(limits.answer)}; the node is asked instead, which is slower`,
    'a proxy before it holds the answer back: switch its buffering off for /tasks/events (nginx: proxy_buffering off)',
  );
}

const UPDATE =
  'does its Malkoha have GET /tasks/events (docs/api.md)? Update it, and let a proxy before it pass that path';
