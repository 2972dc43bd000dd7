import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import { homePaths } from '#config/home.js';
import { startPrivateRedis } from '#queue/private-redis.js';
import { openDatabase } from '#storage/database.js';
import { startPostgres } from '../test/support/postgres.js';
import { Cleanup } from '../apps/cleanup.js';
import { machineDescription } from './support.js';
import { seedTasks } from './seed-tasks.js';

/**
 * The REST API under load, over SQLite and PostgreSQL, with few and with many tasks, against a bare Fastify that answers
 * a constant in the same run. The load generator shares the cores with the server. Prints one JSON line; latencies are
 * milliseconds, `ratio` is the throughput against the bare Fastify's.
 */
const { values } = parseArgs({
  options: {
    tasks: { type: 'string', default: '1000,1000000' },
    databases: { type: 'string', default: 'sqlite,postgresql' },
    seconds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '64' },
  },
});
const sizes = values.tasks.split(',').map(Number);
const databases = values.databases.split(',');
const seconds = Number(values.seconds);
const connections = Number(values.connections);
const root = fileURLToPath(new URL('../../', import.meta.url));

const SAMPLE_BYTES = 4096;

interface Load {
  readonly per_second: number;
  readonly p50: number;
  readonly p99: number;
  readonly ratio: number;
}

const BARE = `
import fastify from 'fastify';
const app = fastify();
app.get('/', async () => ({ hello: 'world' }));
console.log(JSON.stringify({ url: await app.listen({ port: 0, host: '127.0.0.1' }) }));
`;

const bare = await withServer(['--input-type=module', '-e', BARE], (url) => load(`${url}/`, {}, 1));
const measured: Record<string, Record<string, Record<string, Load>>> = {};
for (const kind of databases) {
  measured[kind] = {};
  for (const size of sizes) measured[kind][size] = await measure(kind, size);
}
process.stdout.write(
  `${JSON.stringify({ bench: 'api', ...machineDescription(), connections, seconds, bare, ...measured })}\n`,
);

async function measure(kind: string, size: number): Promise<Record<string, Load>> {
  const home = homePaths(await mkdtemp(join(tmpdir(), 'malkoha-bench-')));
  await using cleanup = new Cleanup();
  cleanup.defer(() => rm(home.dir, { recursive: true, force: true }));
  await mkdir(home.conf, { recursive: true });
  let connection = `sqlite://${home.database}`;
  if (kind === 'postgresql') {
    const server = await startPostgres(['shared_buffers=512MB', 'max_wal_size=4GB']);
    cleanup.use(server);
    connection = await server.database();
  }
  await writeFile(
    join(home.conf, 'cuckoo.conf'),
    `[cuckoo]\nfreespace = 0\n[database]\nconnection = ${connection.replaceAll('%', '%%')}\n[api]\nport = 0\n`,
  );
  cleanup.use(await startPrivateRedis(home.redis, new AbortController().signal));
  const db = await openDatabase(connection);
  await seedTasks(db, size);
  await db.destroy();
  return await withServer([join(root, 'dist/apps/api/main.js'), '--home', home.dir], async (url) => {
    const against = bare.per_second;
    const random = () => 1 + Math.floor(Math.random() * size);
    const boundary = 'XX';
    const head = Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n`,
    );
    const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
    return {
      view: await load(url, { path: () => `/tasks/view/${random()}` }, against),
      status: await load(`${url}/cuckoo/status`, {}, against),
      list_first: await load(`${url}/tasks/list/20`, {}, against),
      list_deep: await load(`${url}/tasks/list?limit=20&cursor=${deepCursor(size)}`, {}, against),
      create_file: await load(
        `${url}/tasks/create/file`,
        {
          method: 'POST',
          headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
          body: () => Buffer.concat([head, randomBytes(SAMPLE_BYTES), tail]),
        },
        against,
      ),
      list_deep_by_offset: await load(`${url}/tasks/list/20/${Math.floor(size * 0.9)}`, {}, against),
    };
  });
}

/** The place after nine tenths of the seeded tasks, as the API itself would give it. */
function deepCursor(size: number): string {
  const id = Math.floor(size * 0.9) - 1;
  const completedOn = new Date(Date.UTC(2020, 0, 1, 0, 2) + id * 1000)
    .toISOString()
    .slice(0, 23)
    .replace('T', ' ');
  return Buffer.from(`${id}@${completedOn}`).toString('base64url');
}

interface Request {
  readonly path?: () => string;
  readonly method?: 'GET' | 'POST';
  readonly headers?: Record<string, string>;
  readonly body?: () => Buffer;
}

async function load(url: string, { path, body, ...rest }: Request, against: number): Promise<Load> {
  const options: autocannon.Options = {
    url,
    connections,
    duration: seconds,
    ...rest,
    requests: [
      {
        setupRequest: (request) => ({
          ...request,
          ...(path && { path: path() }),
          ...(body && { body: body() }),
        }),
      },
    ],
  };
  await autocannon({ ...options, duration: 1 }); // what is compiled and cached once is not measured
  const { requests, latency, non2xx, errors, timeouts } = await autocannon(options);
  if (non2xx + errors + timeouts > 0)
    throw new Error(`${url}: ${non2xx} answers were no success, ${errors} errors, ${timeouts} time-outs`);
  const per_second = Math.round(requests.average);
  return { per_second, p50: latency.p50, p99: latency.p99, ratio: Number((per_second / against).toFixed(2)) };
}

/** Runs a server of its own process that says its URL on the first line. */
async function withServer<T>(args: readonly string[], work: (url: string) => Promise<T>): Promise<T> {
  const child: ChildProcess = spawn(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  try {
    if (!child.stdout || !child.stderr) throw new Error('no output');
    createInterface({ input: child.stderr }).on('line', (line) => {
      // The load generator drops its connections at the end of each load.
      if (!line.includes('"level":"debug"')) process.stderr.write(`${line}\n`);
    });
    const lines = createInterface({ input: child.stdout });
    const [line] = (await Promise.race([once(lines, 'line'), exited])) as [string];
    return await work((JSON.parse(line) as { url: string }).url);
  } finally {
    child.kill('SIGTERM');
    await exited;
  }
}
