import { randomInt, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { homePaths } from '#config/home.js';
import { TERMINAL } from '#domain/task.js';
import { Queues } from '#queue/queues.js';
import { connectRedis } from '#queue/redis.js';
import { openDatabase } from '#storage/database.js';
import { ErrorRow } from '#storage/entities/error.entity.js';
import { TaskRow } from '#storage/entities/task.entity.js';
import { brokenPromises, installAudit, readAudit } from '../support/chaos/audit.js';
import { IdleWatch } from '../support/chaos/idle-watch.js';
import { Killer } from '../support/chaos/killer.js';
import { crashingPostgres, crashingRedis } from '../support/chaos/services.js';
import { Supervised } from '../support/chaos/supervised.js';
import { build, freePort, processesOf, ROOT, SAMPLES, SHARED_GUESTS } from '../support/malkoha.js';
import { startPostgres } from '../support/postgres.js';

/** MALKOHA_CHAOS_TASKS=20000 for a night. */
const TASKS = Number(process.env['MALKOHA_CHAOS_TASKS'] ?? 2_000);
const WORKERS = ['w1', 'w2', 'w3', 'w4'] as const;
/** These have a real guest beside the fake ones. */
const WITH_QEMU: readonly string[] = ['w1', 'w2'];
const FAKES = 16;
/** Milliseconds between two kills: the shortest and the longest. */
const PEACE_MS = [2_500, 7_000] as const;
const SUBMITTERS = 6;
const TIME_LIMIT_MS = 40 * 60_000;

/** What is submitted, by how it has to end. */
type Kind = 'fake' | 'qemu' | 'dead agent' | 'crash' | 'broken machine';
const EXPECTED: Readonly<Record<Kind, string>> = {
  fake: 'completed',
  qemu: 'completed',
  'dead agent': 'agent_unreachable',
  crash: 'guest_lost',
  'broken machine': 'vm_start_failed',
};

function kindOf(n: number): Kind {
  if (n % 200 === 7) return 'qemu';
  if (n % 250 === 11) return 'dead agent';
  if (n % 250 === 13) return 'crash';
  if (n % 250 === 17) return 'broken machine';
  return 'fake';
}

async function formOf(kind: Kind): Promise<FormData> {
  const form = new FormData();
  const set = (fields: Record<string, string>) => {
    for (const [name, value] of Object.entries(fields)) form.set(name, value);
  };
  set({ url: 'http://example.test/', timeout: '30', owner: `owner${randomInt(5)}` });
  set({ priority: String(1 + randomInt(3)), options: `fake_ms=${50 + randomInt(400)}`, tags: 'fake' });
  if (kind === 'dead agent') set({ options: 'fake=dead_agent' });
  if (kind === 'crash') set({ options: 'fake=crash' });
  if (kind === 'broken machine') set({ machine: 'w3-broken' });
  if (kind === 'qemu') {
    set({ tags: 'x64', options: '', timeout: '20' });
    form.delete('url');
    form.set('file', new Blob([await readFile(join(SAMPLES, 'noop.sh'))]), 'noop.sh');
  }
  return form;
}

test(
  'whatever is killed, every accepted task ends once, with one report, and nothing is left',
  async () => {
    await build();
    const dir = await mkdtemp(join(tmpdir(), 'chaos-'));
    const postgres = await startPostgres(['fsync=on', 'max_connections=200']);
    const connection = await postgres.database();
    const redisHome = homePaths(join(dir, 'redis'));
    const redis = await crashingRedis(redisHome.redis);
    const port = await freePort();
    const db = await openDatabase(connection);
    await installAudit(connection);
    for (const name of [...WORKERS, 'api'])
      await makeHome(dir, name, { connection, redis: redis.connection, port });

    const start = (name: string, ...args: string[]) =>
      new Supervised(
        name,
        [
          join(ROOT, 'dist/apps', name === 'api' ? 'api' : 'worker', 'main.js'),
          '--home',
          join(dir, name),
          ...args,
        ],
        join(dir, `${name}.log`),
      );
    const api = start('api');
    const workers = WORKERS.map((name) => start(name, '--name', name));
    const client = connectRedis(redis.connection, () => {});
    const queues = new Queues(client, () => {});
    const services = [redis.service, crashingPostgres(postgres)];
    const watch = new IdleWatch(db, queues);
    const url = `http://127.0.0.1:${port}`;
    const lost = new Set<number>();
    const began = performance.now();
    try {
      const accepted = new Map<number, Kind>();
      const calm = new AbortController();
      const killer = new Killer(() => [...workers, api, ...services], {
        peaceMs: PEACE_MS,
        onKill: () => watch.reset(),
      });
      const watching = sampleUntil(watch, services, calm.signal);
      let next = 0;
      const submitter = async (): Promise<void> => {
        for (let n = next++; n < TASKS; n = next++) {
          const kind = kindOf(n);
          accepted.set(await submit(url, kind), kind);
        }
      };
      await Promise.all(Array.from({ length: SUBMITTERS }, submitter));
      await ended(db, Math.floor(TASKS * 0.9));
      calm.abort();
      await killer.stop(); // the last ones are not killed any more: they show that it heals
      await ended(db, TASKS);
      await watching;

      const rows = await db.manager.find(TaskRow, { select: { id: true, status: true, outcome: true } });
      const audit = await readAudit(connection);
      const outcomes = countBy(rows.map(({ status, outcome }) => `${status}/${outcome ?? ''}`));
      const kills = countBy(
        [...workers, api, ...services].flatMap(({ name, kills: n }) => Array.from({ length: n }, () => name)),
      );
      const seconds = Math.round((performance.now() - began) / 1000);
      const utilisation = Math.round(
        (100 * watch.busy) / watch.samples / (WORKERS.length * FAKES + WITH_QEMU.length),
      );
      process.stdout.write(
        `chaos: ${JSON.stringify({ tasks: rows.length, seconds, kills, outcomes, samples: watch.samples, busy_percent: utilisation })}\n`,
      );

      expect(new Set(rows.map(({ id }) => id))).toEqual(new Set(accepted.keys()));
      expect(brokenPromises(audit)).toEqual([]);
      const unexpected = rows.filter(
        ({ id, outcome }) => outcome !== EXPECTED[accepted.get(id) ?? 'fake'] && outcome !== 'worker_lost',
      );
      expect(await withReasons(db, unexpected)).toEqual([]);
      // Three lost workers in a row are bad luck, and few have it.
      for (const { id, outcome } of rows) if (outcome === 'worker_lost') lost.add(id);
      expect(lost.size).toBeLessThan(TASKS / 50);
      expect([...watch.violations]).toEqual([]);
      for (const { id, status } of rows) if (status === 'reported') await mustHaveReport(dir, id);
      expect((await queues.lanes.depths()).filter(({ waiting }) => waiting > 0)).toEqual([]);
      expect(await client.hlen('malkoha:queued')).toBe(0);
      expect(await queues.get('processing').count()).toBe(0);
    } finally {
      await Promise.all([...workers, api].map((one) => one.stop()));
      await queues[Symbol.asyncDispose]();
      client.disconnect();
      await db.destroy();
      await redis[Symbol.asyncDispose]();
      await postgres[Symbol.asyncDispose]();
    }
    expect(await processesOf(dir)).toEqual([]);
    // What a lost worker left of its last run is kept a while, for one that may only have been silent; what a process was
    // moving when it was killed has a name with a dot, and goes after a day.
    const names = await readdir(join(dir, 'shared', 'analyses', '.runs'));
    const runs = names.filter((name) => !name.startsWith('.')).map((name) => Number.parseInt(name, 10));
    expect(runs.filter((task) => !lost.has(task))).toEqual([]);
    // A worker that is killed between making a QEMU's folder and writing it down leaves that folder, empty.
    for (const name of await readdir(tmpdir()))
      if (/^malkoha-w\d-/.test(name)) await rm(join(tmpdir(), name), { recursive: true });
    await rm(dir, { recursive: true, force: true });
  },
  TIME_LIMIT_MS,
);

/** Why these ended as they did, for whoever reads the failure. */
async function withReasons(db: DataSource, rows: readonly TaskRow[]) {
  return Promise.all(
    rows.map(async ({ id, status, outcome }) => ({
      ...{ id, status, outcome },
      errors: (await db.manager.findBy(ErrorRow, { taskId: id })).map(({ message }) => message),
    })),
  );
}

interface Addresses {
  readonly connection: string;
  readonly redis: string;
  readonly port: number;
}

async function makeHome(dir: string, name: string, { connection, redis, port }: Addresses): Promise<void> {
  const home = homePaths(join(dir, name));
  await mkdir(home.conf, { recursive: true });
  await symlink(SHARED_GUESTS, home.guests);
  const machinery = WITH_QEMU.includes(name) ? 'qemu,fake' : 'fake';
  await writeFile(
    join(home.conf, 'cuckoo.conf'),
    `[cuckoo]\nmachinery = ${machinery}\nfreespace = 0\n` +
      `[database]\nconnection = ${connection.replaceAll('%', '%%')}\n[queue]\nconnection = ${redis}\n` +
      `[artifacts]\nlocation = ${join(dir, 'shared')}\n[resultserver]\nport = 0\n` +
      `[timeouts]\ncritical = 15\n[scheduler]\nmin_memory = 0\npatience = 600\n[api]\nport = ${port}\n`,
  );
  await writeFile(join(home.conf, 'qemu.conf'), '[qemu]\nmachines = 1\nmemory = 512M\n');
  const broken = name === 'w3';
  await writeFile(
    join(home.conf, 'fake.conf'),
    `[fake]\nmachines = ${broken ? `${FAKES - 1}, ${name}-broken` : FAKES}\nreserved = yes\nrun_ms = 200\n` +
      (broken ? `[${name}-broken]\nfault = no_start\n` : ''),
  );
}

/** Until it is accepted, whatever is killed meanwhile; the key makes the same request of all of them. */
async function submit(url: string, kind: Kind): Promise<number> {
  const headers = { 'Idempotency-Key': randomUUID() };
  const body = await formOf(kind);
  const what = kind === 'qemu' ? 'file' : 'url';
  for (;;) {
    const asked = fetch(`${url}/tasks/create/${what}`, { method: 'POST', headers, body });
    const answer = await asked.catch(() => null);
    if (answer?.status === 200) return ((await answer.json()) as { task_id: number }).task_id;
    if (answer !== null && answer.status < 500 && answer.status !== 409)
      throw new Error(`${answer.status}: ${await answer.text()}`);
    await sleep(200);
  }
}

async function sampleUntil(
  watch: IdleWatch,
  services: readonly { readonly awayAt: number }[],
  calm: AbortSignal,
): Promise<void> {
  while (!calm.aborted) {
    const away = services.some(({ awayAt }) => performance.now() - awayAt < 5_000);
    if (away) watch.reset();
    else await watch.sample().catch(() => watch.reset()); // it was killed while it was asked
    await sleep(1_000, undefined, { signal: calm }).catch(() => {});
  }
}

async function ended(db: DataSource, wanted: number): Promise<void> {
  for (;;) {
    const rows = await db
      .query<{ n: string }[]>('SELECT count(*) AS n FROM tasks WHERE status = ANY($1)', [TERMINAL])
      .catch(() => [{ n: '0' }]);
    if (Number(rows[0]?.n) >= wanted) return;
    await sleep(500);
  }
}

async function mustHaveReport(dir: string, task: number): Promise<void> {
  const file = join(dir, 'shared', 'analyses', String(task), 'reports', 'report.json');
  const report = JSON.parse(await readFile(file, 'utf8')) as { info: { id: number } };
  expect(report.info.id).toBe(task);
}

function countBy(words: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}
