import { join } from 'node:path';
import { fail, ok, type Check, type Verdict } from './check.js';
import type { Configured } from './context.js';
import { ourName } from './owner.js';
import { trySocket } from './unix-socket.js';

/** Is the one process there that may close guests in and open their routes? */
export function rooterCheck(configured: Configured): Check {
  return { name: 'rooter', run: (signal) => rooter(configured, signal) };
}

async function rooter({ settings, home }: Configured, signal: AbortSignal): Promise<Verdict> {
  const socket = settings.cuckoo.cuckoo.rooter || join(home.run, 'rooter.sock');
  const start = `as root: malkoha rooter ${socket} --home ${home.dir}`;
  const tried = await trySocket(socket, signal);
  switch (tried.state) {
    case 'open':
      return ok(`${socket} takes connections`);
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
          ? `start it for a group that ${ourName()} is in, ${start} -g GROUP`
          : `usermod -aG ${tried.group} ${ourName()}, then log in again`,
      );
    case 'other':
      return fail(`${socket}: ${tried.error}`, start);
  }
}
