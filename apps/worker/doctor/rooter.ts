import { join } from 'node:path';
import { deadline } from '#domain/deadline.js';
import { reason } from '#domain/errors.js';
import { RooterClient } from '#network/rooter/client.js';
import { fail, ok, warn, type Verdict } from '../../verdict.js';
import type { Check } from './check.js';
import type { Configured } from './context.js';
import { ourName } from './owner.js';
import { trySocket } from './unix-socket.js';

/** Milliseconds: it looks at interfaces and tables. */
const ANSWER_MS = 8_000;

/** Is the one process there that may close guests in and open their routes? */
export function rooterCheck(configured: Configured): Check {
  return { name: 'rooter', run: (signal) => rooter(configured, signal) };
}

async function rooter(configured: Configured, signal: AbortSignal): Promise<Verdict> {
  const { settings, home } = configured;
  const socket = settings.cuckoo.cuckoo.rooter || join(home.run, 'rooter.sock');
  const start = `as root: malkoha rooter ${socket} --home ${home.dir}`;
  const tried = await trySocket(socket, signal);
  switch (tried.state) {
    case 'open':
      return await routes(socket, settings.routing, signal);
    case 'missing':
      return fail(
        `${socket} is not there: the rooter does not run; guests behind an interface get no route`,
        start,
      );
    case 'stale':
      return fail(`nobody listens on ${socket}: the rooter that made it has ended`, start);
    case 'denied':
      return fail(
        `${ourName()} may not use ${socket} (of ${tried.owner}:${tried.group}, mode ${tried.mode})`,
        tried.group === '?' || tried.group === 'root'
          ? `${start} -g GROUP, with a group that ${ourName()} is in (or --user ${ourName()})`
          : `usermod -aG ${tried.group} ${ourName()}, then log in again`,
      );
    case 'other':
      return fail(`${socket}: ${tried.error}`, start);
  }
}

/** What it offers; the route of tasks that ask for none must be there. */
async function routes(
  socket: string,
  { route }: Configured['settings']['routing'],
  signal: AbortSignal,
): Promise<Verdict> {
  using within = deadline(ANSWER_MS, signal);
  let found;
  try {
    await using client = await RooterClient.connect(socket, within.signal);
    found = await client.routes(within.signal);
  } catch (error) {
    signal.throwIfAborted();
    return fail(
      `what listens on ${socket} does not answer as the rooter: ${reason(error)}`,
      'restart `malkoha rooter`',
    );
  }
  const there = found.filter(({ available }) => available).map(({ name }) => name);
  const missing = found.filter(({ available }) => !available);
  const wanted = missing.find(({ name }) => name === route);
  const why = missing.map(({ name, reason: because }) => `${name}: ${because ?? 'not available'}`).join('; ');
  if (wanted !== undefined)
    return fail(
      `the route of tasks that ask for none is not available, ${why}`,
      'mend that, or write another route of [routing] in routing.conf',
    );
  if (missing.length > 0)
    return warn(
      `routes ${there.join(', ')}; not available, ${why}`,
      'mend that, or take the route out of routing.conf',
    );
  return ok(`routes ${there.join(', ')}`);
}
