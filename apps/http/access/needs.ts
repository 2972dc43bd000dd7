import type { FastifyRequest } from 'fastify';
import type { Scope } from '#domain/scope.js';
import { addRouteConfig } from '../route-config.js';

type Params = Readonly<Record<string, string | undefined>>;

/** The scope a request needs; a function where the path's parameters decide. `none`: no token at all. */
export type NeededScope = Scope | 'none' | ((params: Params) => Scope);

declare module 'fastify' {
  interface FastifyContextConfig {
    needs?: NeededScope;
    unlimited?: true;
  }
}

/**
 * Beside each handler: the scope that a token must have to reach it. Without it, `admin`. What needs `submit` or
 * `admin` changes something: it is refused to pages of other sites, and audited.
 */
export const Needs = (needs: NeededScope): MethodDecorator => addRouteConfig({ needs });

/**
 * Beside a handler that monitors call, by whatever address: they are not counted by `rate_limit`, so that a client behind
 * the same one cannot blind them.
 */
export const Unlimited = (): MethodDecorator => addRouteConfig({ unlimited: true });

export function neededScope({ routeOptions, params }: FastifyRequest): Scope | 'none' {
  const needs = routeOptions.config.needs ?? 'admin';
  return typeof needs === 'function' ? needs(params as Params) : needs;
}

export function changesSomething(request: FastifyRequest): boolean {
  return !request.is404 && ['submit', 'admin'].includes(neededScope(request));
}
