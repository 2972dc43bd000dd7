import { isIPv4 } from 'node:net';
import { z } from 'zod';
import { CommandError, ipJson } from './command.js';

const link = z.object({
  ifname: z.string(),
  flags: z.array(z.string()),
  /** The bridge it is a port of. */
  master: z.string().optional(),
});
export type Link = z.infer<typeof link>;

const route = z.object({
  dst: z.string(),
  gateway: z.string().optional(),
  dev: z.string().optional(),
  scope: z.string().optional(),
  prefsrc: z.string().optional(),
  flags: z.array(z.string()).optional(),
});
export type Route = z.infer<typeof route>;

export async function links(): Promise<readonly Link[]> {
  return z.array(link).parse(await ipJson(['link', 'show']));
}

/** Why packets cannot leave by an interface, or null when they can. */
export async function notUp(name: string): Promise<string | null> {
  const found = (await links()).find(({ ifname }) => ifname === name);
  if (found === undefined) return `there is no interface ${name} on this host`;
  if (!found.flags.includes('UP')) return `the interface ${name} is down`;
  return found.flags.includes('LOWER_UP') ? null : `the interface ${name} has no carrier`;
}

/** Routes of a table that leave by an interface. A table that was never filled does not exist, which is no error. */
export async function routesBy(name: string, table: string): Promise<readonly Route[]> {
  try {
    const all = z.array(route).parse(await ipJson(['-4', 'route', 'show', 'table', table]));
    return all.filter(({ dev }) => dev === name);
  } catch (error) {
    if (error instanceof CommandError && error.stderr.includes('does not exist')) return [];
    throw error;
  }
}

/** Do they lead everywhere? VPNs split the default route in two, to win over the one that was there. */
export function leadEverywhere(routes: readonly Route[]): boolean {
  const to = new Set(routes.map(({ dst }) => dst));
  return to.has('default') || (to.has('0.0.0.0/1') && to.has('128.0.0.0/1'));
}

/** The interface towards an address, or null when it is this host's own. @throws CommandError when nothing leads there */
export async function towards(address: string): Promise<string | null> {
  const answer = await ipJson(['-4', 'route', 'get', address]);
  const [found] = z.array(z.object({ dev: z.string(), type: z.string().optional() })).parse(answer);
  if (found === undefined || found.type === 'local' || found.dev === 'lo') return null;
  return found.dev;
}

export async function isOwnAddress(address: string): Promise<boolean> {
  return isIPv4(address) && (await towards(address)) === null;
}
