import { networkInterfaces } from 'node:os';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { reason } from '#domain/errors.js';
import { portOwner } from '../../ports.js';
import { fail, ok, skipped, warn, type Verdict } from '../../verdict.js';
import type { Check } from './check.js';
import type { Configured, RunningLab } from './context.js';
import { machinesOnInterfaces } from './own-machines.js';

interface Listening {
  readonly what: string;
  readonly host: string;
  readonly port: number;
  /** Where both are configured. */
  readonly where: string;
  /** Nothing that is configured needs it. */
  readonly optional: boolean;
}

/** The addresses and ports that the lab will listen on. */
export function addressChecks(configured: Configured): readonly Check[] {
  const { settings, machinery, running } = configured;
  const { api, resultserver } = settings.cuckoo;
  const places: Listening[] = [
    { what: 'REST API', host: api.host, port: api.port, where: '[api] in cuckoo.conf', optional: false },
  ];
  // Guests of a fake machinery have no network to come from.
  if (machinery.some((name) => name !== 'fake')) {
    places.push({
      what: 'result server',
      host: resultserver.ip,
      port: resultserver.port,
      where: '[resultserver] in cuckoo.conf',
      // The default guest's connections end in its own network.
      optional: machinesOnInterfaces(configured).length === 0,
    });
  }
  return [
    ...places.map((place) => ({ name: place.what, run: () => listening(place, running) })),
    { name: 'addresses', run: () => guestAddresses(configured) },
  ];
}

/** Where each guest is told to send its results: that must be this host, as the guest sees it. */
function guestAddresses(configured: Configured): readonly Verdict[] {
  const { ip } = configured.settings.cuckoo.resultserver;
  const known = new Set(
    Object.values(networkInterfaces()).flatMap((list) => list?.map(({ address }) => address)),
  );
  return machinesOnInterfaces(configured).flatMap(({ name, resultServer }) => {
    // What cuckoo.conf says is looked at by listening there.
    if (resultServer.ip === ip || known.has(resultServer.ip)) return [];
    return [
      {
        ...warn(
          `its results go to ${resultServer.ip}, which is no address of this host (${addresses()}): the result server listens at ${ip}:${resultServer.port} for it`,
          `correct resultserver_ip in its section, unless ${resultServer.ip} is forwarded to this host and that keeps the guest's address`,
        ),
        machine: name,
      },
    ];
  });
}

/** By proof: listens there for a moment. */
async function listening(place: Listening, running: RunningLab | null): Promise<Verdict> {
  const { host, port, where, optional } = place;
  const bad = optional ? warn : fail;
  const at = `${host}:${port}`;
  const server = createServer();
  try {
    server.listen(port, host);
    await once(server, 'listening');
    return ok(port === 0 ? `any free port of ${host}` : `${at} is free`);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    switch (code) {
      case 'EADDRINUSE':
        return await taken(place, running);
      case 'EADDRNOTAVAIL':
        return bad(
          `this host has no address ${host}; it has ${addresses()}`,
          `write one of these as ${place.what === 'REST API' ? 'host' : 'ip'} of ${where}, or bring the interface up that has ${host} (a bridge such as virbr0, or vboxnet0, is up once its network is started)`,
        );
      case 'EACCES':
        return fail(`we may not listen on ${at}`, `choose a port above 1023 in ${where}`);
      default:
        return fail(`nobody can listen on ${at}: ${reason(error)}`, `correct ${where}`);
    }
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

async function taken(
  { what, host, port, where, optional }: Listening,
  running: RunningLab | null,
): Promise<Verdict> {
  const owner = await portOwner(port);
  if (owner === null) {
    const found = `${host}:${port} is taken, by a process of another user`;
    const fix = `root sees which: ss -ltnp 'sport = :${port}'; end it, or choose another port in ${where}`;
    return running === null
      ? fail(found, fix)
      : skipped(`${found}: the ${running.what} of this home runs, and may be that`);
  }
  const { name, pid } = owner;
  if (running !== null && (await descends(pid, running.pid)))
    return ok(`${host}:${port} has the running ${running.what} of this home (pid ${running.pid})`);
  const found = `${host}:${port} is taken by ${name} (pid ${pid})`;
  const fix = `end that (\`kill ${pid}\`) if it is not needed, or choose another port in ${where}`;
  return optional ? warn(`${found}; ${what} is not needed by what is configured`, fix) : fail(found, fix);
}

/** Is it that process, or was it started by it? */
async function descends(pid: number, from: number): Promise<boolean> {
  for (let at = pid; at > 1;) {
    if (at === from) return true;
    const stat = await readFile(`/proc/${at}/stat`, 'latin1').catch(() => '');
    // The name in brackets may hold anything; then come the state and the parent.
    at = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? 0);
  }
  return false;
}

/** `127.0.0.1 (lo), 192.168.56.1 (vboxnet0)`. */
function addresses(): string {
  return Object.entries(networkInterfaces())
    .flatMap(([name, list = []]) =>
      list.filter(({ family }) => family === 'IPv4').map(({ address }) => `${address} (${name})`),
    )
    .join(', ');
}
