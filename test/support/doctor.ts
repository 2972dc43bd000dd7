import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { THIS_HOST, type Host, type RunningLab } from '../../apps/worker/doctor/context.js';
import { diagnose } from '../../apps/worker/doctor/run.js';
import type { Finding } from '../../apps/finding.js';

/** A home folder with its configuration: text by the name of the file. */
export async function doctorHome(files: Readonly<Record<string, string>>) {
  const dir = await mkdtemp(join(tmpdir(), 'dr-'));
  await mkdir(join(dir, 'conf'));
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, 'conf', name), text);
  return { dir, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) };
}

export interface Asked {
  readonly home: string;
  readonly machinery?: string;
  readonly machine?: string;
  readonly running?: RunningLab;
  readonly host?: Partial<Host>;
}

function look({ running, host, ...asked }: Asked): AsyncGenerator<Finding> {
  const examination = { ...asked, running: running ?? null, host: { ...THIS_HOST, ...host } };
  return diagnose(examination, new AbortController().signal);
}

/** Everything that doctor finds, in its order. */
export async function findings(asked: Asked): Promise<readonly Finding[]> {
  const all: Finding[] = [];
  for await (const finding of look(asked)) all.push(finding);
  return all;
}

/** What it finds under one name; what comes after that is not looked at. */
export async function named(check: string, asked: Asked): Promise<Finding> {
  const others: string[] = [];
  for await (const finding of look(asked)) {
    if (finding.check === check) return finding;
    others.push(finding.check);
  }
  throw new Error(`no check ${check} among ${others.join(', ')}`);
}

/** Runs `work` without root's rights over files, where we are root. */
export async function asNobody<T>(work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return await work();
  process.setegid?.(65534);
  process.seteuid?.(65534);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
  }
}

/** Another process that listens on a TCP port or a unix socket, until it is killed as by `kill -9`. */
export async function listener(where: number | string) {
  const program = `require('node:net').createServer().listen(${JSON.stringify(where)}${typeof where === 'number' ? ", '127.0.0.1'" : ''}, () => console.log('on'))`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  return { pid: child.pid ?? 0, kill, [Symbol.asyncDispose]: kill };
}
