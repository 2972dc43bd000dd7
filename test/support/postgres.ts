import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chown, chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { Client } from 'pg';

export interface TestPostgres extends AsyncDisposable {
  readonly pid: number;
  /** Makes an empty database and returns its connection, `postgresql://…`. */
  database(): Promise<string>;
  /** A crash: no process of it is left when this resolves. */
  kill(): Promise<void>;
  /** Starts it again on the same data. */
  restart(): Promise<void>;
}

/** initdb and postgres refuse to run as root. */
const NOBODY = 65_534;
const asRoot = process.getuid?.() === 0;
/** It ends with the test, however that ends. */
const SETPRIV = [
  'setpriv',
  ...(asRoot ? [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'] : []),
  ...['--pdeathsig', 'INT'],
];

/**
 * A PostgreSQL of our own in a temporary folder, on a unix socket only. `settings` are those of postgresql.conf;
 * without `fsync=on` a power cut would cost data, which no test cuts.
 */
export async function startPostgres(settings: readonly string[] = ['fsync=off']): Promise<TestPostgres> {
  const programs = await programFolder();
  const dir = await mkdtemp(join(tmpdir(), 'pg-'));
  await chmod(dir, 0o700);
  if (asRoot) await chown(dir, NOBODY, NOBODY);
  const data = join(dir, 'data');
  await run(join(programs, 'initdb'), [
    ...['--pgdata', data, '--username', 'malkoha', '--auth', 'trust'],
    ...['--encoding', 'UTF8', '--locale', 'C.UTF-8', '--no-sync', '--no-instructions'],
  ]);
  const serve = async (): Promise<ChildProcess> =>
    launch(join(programs, 'postgres'), [
      ...['-D', data, '-k', dir, '-c', 'listen_addresses='],
      ...settings.flatMap((setting) => ['-c', setting]),
    ]);
  let server = await serve();
  const connection = (name: string) =>
    `postgresql://malkoha@localhost/${name}?host=${encodeURIComponent(dir)}`;
  let made = 0;
  return {
    get pid() {
      return server.pid ?? 0;
    },
    database: async () => {
      made += 1;
      const name = `test${made}`;
      const client = new Client({ connectionString: connection('postgres') });
      await client.connect();
      await client.query(`CREATE DATABASE ${name}`);
      await client.end();
      return connection(name);
    },
    kill: () => end(server, 'SIGKILL'),
    restart: async () => {
      server = await serve();
    },
    async [Symbol.asyncDispose]() {
      await end(server, 'SIGINT'); // fast shutdown: does not wait for clients
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Debian keeps the programs of each major version in a folder of their own, off the PATH. */
async function programFolder(): Promise<string> {
  const versions = await readdir('/usr/lib/postgresql').catch(() => []);
  const newest = versions.toSorted((a, b) => Number(a) - Number(b)).at(-1);
  if (newest === undefined) throw new Error('PostgreSQL is not installed: apt-get install postgresql');
  return join('/usr/lib/postgresql', newest, 'bin');
}

function start(program: string, args: readonly string[]) {
  const [setpriv = '', ...options] = SETPRIV;
  return spawn(setpriv, [...options, program, ...args], { cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] });
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const child = start(program, args);
  const [said, [code]] = await Promise.all([
    text(child.stderr),
    once(child, 'exit') as Promise<[number | null]>,
  ]);
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${said}`);
}

async function launch(program: string, args: readonly string[]): Promise<ChildProcess> {
  const child = start(program, args);
  const said: string[] = [];
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      said.push(line);
      if (line.includes('database system is ready to accept connections')) resolve();
    });
    child.once('exit', (code) => reject(new Error(`postgres ended with ${code}: ${said.join('\n')}`)));
  });
  return child;
}

async function end(server: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exited = once(server, 'exit');
  server.kill(signal);
  await exited;
}
