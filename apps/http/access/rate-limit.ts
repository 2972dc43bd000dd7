import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { SandboxError } from '#domain/errors.js';
import { callerOf, clientKey } from './caller.js';

/** @throws RATE_LIMITED once a client has asked too often in its minute */
export type RateLimit = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

/** Counts per client, in this process; `perMinute` 0 = nothing. */
export async function createRateLimit(fastify: FastifyInstance, perMinute: number): Promise<RateLimit> {
  if (perMinute === 0) return async () => {};
  await fastify.register(rateLimit, { global: false, max: perMinute, timeWindow: 60_000 });
  const count = fastify.createRateLimit({ keyGenerator: (request) => clientKey(callerOf(request)) });
  return async (request, reply) => {
    const state = await count(request);
    if (state.isAllowed || !state.isExceeded) return;
    void reply.header('retry-after', state.ttlInSeconds);
    throw new SandboxError(
      'RATE_LIMITED',
      `Too many requests: ${state.max} per minute are allowed; try again in ${state.ttlInSeconds} seconds`,
    );
  };
}
