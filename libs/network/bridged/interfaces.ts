import { readFile } from 'node:fs/promises';

/** Interfaces of this host, up or not; of this process's network namespace, which /sys need not show. */
export async function interfaceNames(): Promise<readonly string[]> {
  const table = await readFile('/proc/self/net/dev', 'utf8');
  return table.split('\n').flatMap((line) => /^\s*([^\s:]+):/.exec(line)?.[1] ?? []);
}
