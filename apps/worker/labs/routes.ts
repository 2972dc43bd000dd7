import { SandboxError } from '#domain/errors.js';
import type { Machine } from '#domain/machine.js';

const ROUTES = ['inetsim', 'drop'] as const;
export type Route = (typeof ROUTES)[number];

/** @throws ROUTE_UNAVAILABLE naming those there are */
export function knownRoute(route: string, machine: Machine): Route {
  const known = ROUTES.find((name) => name === route);
  if (known !== undefined) return known;
  throw new SandboxError(
    'ROUTE_UNAVAILABLE',
    `route ${JSON.stringify(route)} is not one of ${ROUTES.join(', ')}, which ${machine.name} has`,
  );
}
