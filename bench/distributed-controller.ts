import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { DataSource } from 'typeorm';
import { homePaths } from '#config/home.js';
import { openDistDatabase } from '#distribution/database.js';
import { startPrivateRedis } from '#queue/private-redis.js';
import { Cleanup } from '../apps/cleanup.js';
import type { ChildMessage } from '../apps/ipc.js';
import { startPostgres } from '../test/support/postgres.js';

export interface BenchController extends AsyncDisposable {
  /** Without a slash at the end. */
  readonly url: string;
  readonly pid: number;
  readonly db: DataSource;
}

const MAIN = fileURLToPath(new URL('../apps/distributed/main.js', import.meta.url));

/** One controller process, set up as by `malkoha distributed`, but that it fetches no more than report.json. */
export async function startController(database: 'sqlite' | 'postgresql'): Promise<BenchController> {
  await using cleanup = new Cleanup();
  const home = homePaths(await mkdtemp(join(tmpdir(), 'bench-dist-')));
  cleanup.defer(() => rm(home.dir, { recursive: true, force: true }));
  await mkdir(home.conf, { recursive: true });
  const postgres = database === 'postgresql' ? cleanup.use(await startPostgres(['fsync=on'])) : null;
  const connection = postgres ? await postgres.database() : `sqlite:///${join(home.dir, 'dist.db')}`;
  const redis = cleanup.use(await startPrivateRedis(home.redis, new AbortController().signal));
  await writeFile(
    join(home.conf, 'distributed.conf'),
    `[distributed]\nport = 0\ndb = ${connection.replaceAll('%', '%%')}\nreport_formats = json\nfreespace = 0\n` +
      `samples_directory = ${join(home.dir, 'samples')}\nreports_directory = ${join(home.dir, 'reports')}\n` +
      `[queue]\nconnection = ${redis.connection}\n`,
  );
  const child = fork(MAIN, ['--home', home.dir], {
    stdio: ['ignore', 'ignore', process.env['BENCH_LOG'] === undefined ? 'ignore' : 2, 'ipc'],
    // For a profile: --cpu-prof --cpu-prof-dir=/tmp/x
    execArgv: process.env['BENCH_CONTROLLER_ARGS']?.split(' ') ?? [],
  });
  const exited = once(child, 'exit');
  cleanup.defer(async () => {
    child.kill('SIGTERM');
    await exited;
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.on('message', (message: ChildMessage) => {
      if (message.kind === 'ready') resolve(message.url ?? '');
      if (message.kind === 'failed') reject(new Error(message.message));
    });
    void exited.then(() => reject(new Error('the controller ended')));
  });
  const db = await openDistDatabase(connection, home.dir);
  cleanup.defer(() => db.destroy());
  const owned = cleanup.move();
  return { url, pid: child.pid ?? 0, db, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}

export async function addNodes(controller: BenchController, urls: readonly string[]): Promise<void> {
  for (const [n, url] of urls.entries()) {
    const body = new URLSearchParams({ name: `node${n}`, url });
    const answer = await fetch(`${controller.url}/api/node`, { method: 'POST', body });
    if (!answer.ok) throw new Error(`node${n} was refused: ${await answer.text()}`);
    await answer.body?.cancel();
  }
}

/** MiB of memory that the controller has now, and has had at most (proc(5)). */
export async function memoryMib({ pid }: BenchController): Promise<{ now: number; peak: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const mib = (key: string) => Math.round(Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1]) / 1024);
  return { now: mib('VmRSS'), peak: mib('VmHWM') };
}

/** Seconds of processor that it has used since it began (proc(5), fields 14 and 15, 10 ms each). */
export async function cpuSeconds({ pid }: BenchController): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Until so many tasks have ended; any that failed is a failure of the bench. */
export async function untilFinished({ db }: BenchController, wanted: number): Promise<void> {
  for (;;) {
    const rows = await db.query<{ state: string; n: string }[]>(
      'SELECT state, count(*) AS n FROM dist_tasks GROUP BY state',
    );
    const of = (name: string) => Number(rows.find(({ state }) => state === name)?.n ?? 0);
    if (of('failed') > 0) throw new Error(`${of('failed')} tasks failed`);
    if (of('finished') >= wanted) return;
    await sleep(50);
  }
}
