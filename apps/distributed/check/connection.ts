import { connect } from 'node:net';
import { reason } from '#domain/errors.js';
import { fail, ok } from '../../verdict.js';
import { portOf, shown } from './networks.js';
import { opened } from './opened.js';
import type { Hop } from './route.js';
import { duration } from './words.js';

/** The first that takes a connection; null: none does. */
export async function whichConnects(
  { url, limits, tell }: Hop,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<string | null> {
  const port = portOf(url);
  const failures: string[] = [];
  let code: string | undefined;
  for (const address of addresses) {
    const began = performance.now();
    try {
      (await opened(connect({ host: address, port }), 'connect', limits.connect, signal)).destroy();
      const others = failures.length === 0 ? '' : `; ${failures.join('; ')}`;
      const took = duration(performance.now() - began);
      tell('connection', ok(`${shown(address, port)} takes connections, after ${took}${others}`));
      return address;
    } catch (error) {
      signal.throwIfAborted();
      code = (error as NodeJS.ErrnoException).code;
      failures.push(`${shown(address, port)} does not: ${reason(error)}`);
    }
  }
  tell('connection', fail(`nothing takes connections: ${failures.join('; ')}`, closed(code, port)));
  return null;
}

function closed(code: string | undefined, port: number): string {
  if (code === 'ECONNREFUSED')
    return `start the REST API on the node, listening on an address others reach: \`malkoha up --host 0.0.0.0\` with an api_token, \`cuckoo api --host 0.0.0.0 --port ${port}\`, or CAPE's web service; or correct the port`;
  return `is the node on, and is there a firewall between? Allow this host TCP port ${port} there; \`nc -vz HOST ${port}\` tries it`;
}
