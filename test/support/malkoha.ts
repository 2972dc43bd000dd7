import { spawn, type ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from '@jest/globals';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
export const SAMPLES = join(ROOT, 'test/samples');

/** The guest is built once for all tests; MALKOHA_TEST_GUESTS names another folder. */
export const SHARED_GUESTS =
  process.env['MALKOHA_TEST_GUESTS'] ??
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'malkoha-test', 'guests');

export interface Home extends AsyncDisposable {
  readonly dir: string;
  readonly port: number;
  readonly url: string;
}

/** A home folder of its own, with free ports and the shared guest. On the way out nothing of it may still run. */
export async function makeHome(conf = ''): Promise<Home> {
  const dir = await mkdtemp(join(tmpdir(), 'home-'));
  const port = await freePort();
  await mkdir(SHARED_GUESTS, { recursive: true });
  await symlink(SHARED_GUESTS, join(dir, 'guests'));
  await configure(dir, `[api]\nport = ${port}\n[resultserver]\nport = 0\n${conf}`);
  return {
    dir,
    port,
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      const running = await settled(() => processesOf(dir));
      const left = await leftIn(join(dir, 'run'));
      await rm(dir, { recursive: true, force: true });
      expect({ running, left }).toEqual({ running: [], left: [] });
    },
  };
}

/** Writes the cuckoo.conf of a home folder. */
export async function configure(dir: string, text: string): Promise<void> {
  await mkdir(join(dir, 'conf'), { recursive: true });
  await writeFile(join(dir, 'conf', 'cuckoo.conf'), text);
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves when stderr has said it. Rejects when the command ends first. */
  said(what: RegExp): Promise<string>;
}

/** Starts `./malkoha …` with the launcher, as a person would. */
export function start(home: Pick<Home, 'dir'>, ...args: string[]): Running {
  const child = spawn(join(ROOT, 'malkoha'), [...args, '--home', home.dir], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  let stdout = '';
  let stderr = '';
  let look: () => void = () => {};
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
    look();
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  const said = (what: RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      look = () => {
        const found = what.exec(stderr);
        if (found !== null) resolve(found[0]);
      };
      look();
      void ended.then((end) =>
        reject(
          new Error(`ended with ${end.code ?? 'a signal'} before it said ${what.source}:\n${end.stderr}`),
        ),
      );
    });
  return { process: child, ended, said };
}

export async function malkoha(home: Pick<Home, 'dir'>, ...args: string[]): Promise<Ended> {
  return start(home, ...args).ended;
}

/** The launcher says so when it builds: before anything is expected of stderr, it is made to. */
export async function build(): Promise<void> {
  await malkoha({ dir: tmpdir() }, 'help');
}

/** `pid command` of each process that has this home folder on its command line, or works in it as QEMU does. */
export async function processesOf(dir: string): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
  const lines = await Promise.all(
    pids.map(async (pid) => {
      const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ');
      const folder = await readlink(`/proc/${pid}/cwd`).catch(() => '');
      return command.includes(dir) || folder.startsWith(`${dir}/`) ? `${pid} ${command}` : null;
    }),
  );
  return lines.filter((line) => line !== null);
}

/** The pid of the one process of this home whose command line matches. */
export async function pidOf(home: Home, what: RegExp): Promise<number> {
  for (let tries = 0; tries < 200; tries += 1) {
    const found = (await processesOf(home.dir)).find((line) => what.test(line));
    if (found !== undefined) return Number.parseInt(found, 10);
    await sleep(50);
  }
  throw new Error(`no process of ${home.dir} matches ${what.source}`);
}

/** Sockets, pid files, work folders of machines: a lab that has ended leaves only the empty folder of its machines. */
async function leftIn(run: string): Promise<readonly string[]> {
  const names = await readdir(run, { recursive: true }).catch(() => []);
  return names.filter((name) => name !== 'machines');
}

async function settled(look: () => Promise<readonly string[]>): Promise<readonly string[]> {
  let last = await look();
  for (let tries = 0; tries < 100 && last.length > 0; tries += 1) {
    await sleep(50);
    last = await look();
  }
  return last;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
