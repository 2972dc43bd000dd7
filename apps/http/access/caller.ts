import type { FastifyRequest } from 'fastify';
import { normalizeIP } from '@fastify/rate-limit';

/** Who sent a request. */
export interface Caller {
  /** Name of the token it carries; null when none is needed, or none was given. */
  readonly token: string | null;
  readonly address: string;
}

const callers = new WeakMap<FastifyRequest, Caller>();

/** Who sent this request: for logs, and for what is kept or counted per client. */
export function callerOf(request: FastifyRequest): Caller {
  // The gate sets it before any handler runs.
  return callers.get(request) ?? { token: null, address: request.ip };
}

export function setCaller(request: FastifyRequest, token: string | null): Caller {
  const caller = { token, address: request.ip };
  callers.set(request, caller);
  return caller;
}

/** One client: a token, or an address (of IPv6 its /64, since a host has all of it). */
export function clientKey({ token, address }: Caller): string {
  return token === null ? `address ${normalizeIP(address)}` : `token ${token}`;
}
