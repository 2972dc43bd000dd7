import { SandboxError } from '#domain/errors.js';
import type { Machine } from '#domain/machine.js';

/** What a network that is all ours can be: the built-in fake internet, or nothing. */
export type Route = 'inetsim' | 'drop';

/** Cuckoo's `none` means that no route is opened: nothing gets out. */
const ROUTES: ReadonlyMap<string, Route> = new Map([
  ['inetsim', 'inetsim'],
  ['drop', 'drop'],
  ['none', 'drop'],
]);

/** @throws ROUTE_UNAVAILABLE naming those there are */
export function knownRoute(route: string, machine: Machine): Route {
  const known = ROUTES.get(route);
  if (known !== undefined) return known;
  throw new SandboxError(
    'ROUTE_UNAVAILABLE',
    `route ${JSON.stringify(route)} is not one of ${[...ROUTES.keys()].join(', ')}, which ${machine.name} has`,
  );
}
