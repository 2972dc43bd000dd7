import { stat } from 'node:fs/promises';
import { ERRORS, reason } from '#domain/errors.js';
import { lookAtRedis } from '#queue/look.js';
import { lookAtDatabase } from '#storage/database.js';
import { openBucket } from '../../open-artifacts.js';
import { fail, ok, warn, type Verdict } from '../../verdict.js';
import type { Check } from './check.js';
import type { Configured } from './context.js';

/** Milliseconds: an operator waits for an answer here, not for a database that starts. */
const DATABASE_MS = 8_000;
/** Milliseconds: a store that does not answer is tried again before it is given up. */
const STORE_MS = 60_000;
/** Milliseconds that two hosts' clocks may differ: heartbeats and dates are compared. */
const CLOCKS_MS = 5_000;

/** The database and the Redis that are configured; those of the home folder begin and end with the lab. */
export function serviceChecks(configured: Configured): readonly Check[] {
  const checks: Check[] = [{ name: 'database', run: () => database(configured) }];
  if (configured.settings.cuckoo.queue.connection !== '')
    checks.push({ name: 'redis', run: () => redis(configured) });
  if (configured.settings.cuckoo.artifacts.location.startsWith('s3:'))
    checks.push({ name: 'object store', ms: STORE_MS, run: (signal) => objectStore(configured, signal) });
  return checks;
}

async function database({ settings, home, host }: Configured): Promise<Verdict> {
  const { connection } = settings.cuckoo.database;
  const file = /^sqlite:\/\/(\/.+)$/.exec(connection)?.[1] ?? (connection === '' ? home.database : null);
  if (file !== null && (await stat(file).catch(() => null)) === null)
    return ok(`${file} is not there yet; the first start makes it`);
  try {
    const found = await lookAtDatabase(file === null ? connection : `sqlite://${file}`, DATABASE_MS);
    const { version, undone } = found;
    const state = undone > 0 ? '; the next start brings its tables up to date' : '';
    return clocks(host.now(), found.now, 'database') ?? ok(`${version} answers${state}`);
  } catch (error) {
    const fix =
      file === null
        ? 'is PostgreSQL running there, and may we log in? `pg_isready -d URL` and `psql URL` with the URL of [database] connection in cuckoo.conf'
        : `is ${file} a database, readable for us? \`sqlite3 ${file} 'PRAGMA integrity_check'\`; restore it, or move it away to begin anew`;
    return fail(reason(error), fix);
  }
}

async function redis({ settings, host }: Configured): Promise<Verdict> {
  let facts;
  try {
    facts = await lookAtRedis(settings.cuckoo.queue.connection);
  } catch (error) {
    return fail(
      reason(error),
      'is it running, and does it listen there? `redis-cli -u URL ping` with the URL of [queue] connection in cuckoo.conf',
    );
  }
  const { version, evicts, maxMemory, persists } = facts;
  if (maxMemory > 0 && evicts !== 'noeviction') {
    return fail(
      `Redis ${version} throws away keys when its memory is full (maxmemory-policy ${evicts}): jobs would be lost`,
      'set `maxmemory-policy noeviction` in its redis.conf, and for now: redis-cli CONFIG SET maxmemory-policy noeviction',
    );
  }
  if (!persists) {
    return warn(
      `Redis ${version} keeps nothing over a restart; tasks are queued again from the database, later`,
      'set `appendonly yes` in its redis.conf',
    );
  }
  return clocks(host.now(), facts.now, 'Redis') ?? ok(`Redis ${version} answers`);
}

/** By asking for an object that is not there: that takes the same key, and the same right, as one that is. */
async function objectStore({ settings }: Configured, signal: AbortSignal): Promise<Verdict> {
  const { artifacts } = settings.cuckoo;
  const bucket = openBucket(artifacts);
  if (bucket === null) return ok('none is configured');
  try {
    await bucket.size('.doctor', signal);
    return ok(`${artifacts.location} answers`);
  } catch (error) {
    signal.throwIfAborted();
    return fail(reason(error), ERRORS.ARTIFACTS_UNAVAILABLE.help);
  } finally {
    await bucket.close();
  }
}

/** Null when the two clocks agree. */
export function clocks(ours: number, theirs: Date, whose: string): Verdict | null {
  const ahead = theirs.getTime() - ours;
  if (Math.abs(ahead) <= CLOCKS_MS) return null;
  const seconds = Math.round(Math.abs(ahead) / 1000);
  return warn(
    `the clock of the ${whose} is ${seconds} s ${ahead > 0 ? 'ahead of' : 'behind'} ours: dates and heartbeats of hosts will not agree`,
    'synchronise both hosts: apt-get install systemd-timesyncd (or chrony), then `timedatectl`',
  );
}
