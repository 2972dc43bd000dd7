import type { FastifyReply, FastifyRequest } from 'fastify';
import type { NamedToken } from '#config/tokens.js';
import { callerOf } from './access/caller.js';
import type { Checked, Readiness } from './readiness.js';

export interface ReadyAnswer {
  status: 'ready' | 'not ready';
  checks?: Record<string, Checked>;
  warnings?: string[];
}

/** What GET /health/ready answers, with 200 or 503. */
export async function readyAnswer(
  readiness: Readiness,
  { request, reply, tokens }: Asked,
): Promise<ReadyAnswer> {
  const { ready, checks, warnings } = await readiness.now();
  void reply.status(ready ? 200 : 503);
  const status = ready ? 'ready' : 'not ready';
  return mayRead(request, tokens) ? { status, checks: { ...checks }, warnings: [...warnings] } : { status };
}

interface Asked {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly tokens: readonly NamedToken[];
}

/** The gate asks for no token there, so it is asked here what the given one may. */
function mayRead(request: FastifyRequest, tokens: readonly NamedToken[]): boolean {
  if (tokens.length === 0) return true;
  const { token } = callerOf(request);
  const { scopes = [] } = tokens.find(({ name }) => name === token) ?? {};
  return scopes.includes('read') || scopes.includes('admin');
}
