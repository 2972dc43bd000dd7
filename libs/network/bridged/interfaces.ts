import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';

/** Interfaces of this host, up or not; of this process's network namespace, which /sys need not show. */
export async function interfaceNames(): Promise<readonly string[]> {
  const table = await readFile('/proc/self/net/dev', 'utf8');
  return table.split('\n').flatMap((line) => /^\s*([^\s:]+):/.exec(line)?.[1] ?? []);
}

/** IPv4 addresses of this host, by interface; those of interfaces that are up. */
export function ownAddresses(): ReadonlyMap<string, readonly string[]> {
  return new Map(
    Object.entries(networkInterfaces()).map(([name, all = []]) => [
      name,
      all.filter(({ family }) => family === 'IPv4').map(({ address }) => address),
    ]),
  );
}

/**
 * The addresses by which this host talks to a guest: those of the interface it is behind (all, when that is none of ours),
 * the result server's, and the loopback's, for a guest whose ports are forwarded there.
 */
export function hostsOf({
  interface: name,
  resultServer,
}: {
  readonly interface: string;
  readonly resultServer: { readonly ip: string };
}): readonly string[] {
  const own = ownAddresses();
  const near = own.get(name) ?? [...own.values()].flat();
  return [...new Set([resultServer.ip, ...near, '127.0.0.1'])];
}
