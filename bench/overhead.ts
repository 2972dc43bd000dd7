import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machineDescription, percentile } from './support.js';

/**
 * What an analysis costs outside the sample's own run: N analyses of a no-op one after the other, then 16 at once over
 * 4 machines. Needs the built guest (`malkoha guest build`). Prints one JSON line; times are milliseconds.
 */
const { values } = parseArgs({
  options: { n: { type: 'string', default: '20' }, guests: { type: 'string' } },
});
const count = Number(values.n);
const guests = values.guests ?? join(process.env['MALKOHA_HOME'] ?? join(homedir(), '.malkoha'), 'guests');
const root = fileURLToPath(new URL('../../', import.meta.url));
const sample = new Blob(['#!/bin/sh\nexit 0\n']);

interface Seen {
  readonly phases: Readonly<Record<string, number>>;
  /** Submission → guest running. */
  readonly before: number;
  /** Guest end → report written. */
  readonly after: number;
  readonly total: number;
}

interface Event {
  readonly kind: string;
  readonly at: string;
  readonly phase?: string;
  readonly ms?: number;
  readonly status?: string;
}

const home = await mkdtemp(join(tmpdir(), 'malkoha-bench-'));
try {
  const port = await freePort();
  await mkdir(join(home, 'conf'));
  await symlink(guests, join(home, 'guests'));
  await writeFile(join(home, 'conf', 'cuckoo.conf'), `[api]\nport = ${port}\n[resultserver]\nport = 0\n`);
  const lab = spawn(
    process.execPath,
    [join(root, 'dist/apps/cli/main.js'), 'up', '--home', home, '--machines', '4'],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const exited = once(lab, 'exit');
  try {
    await said(lab.stderr, /Malkoha is up/);
    const url = `http://127.0.0.1:${port}`;
    await analyze(url); // warm-up: the first report loads the examining thread
    const seen: Seen[] = [];
    for (let i = 0; i < count; i += 1) seen.push(await analyze(url));
    const began = performance.now();
    const parallel = await Promise.all(Array.from({ length: 16 }, () => analyze(url)));
    const wall = performance.now() - began;
    const onMachine = parallel.map(({ phases }) =>
      ['prepare', 'start', 'agent', 'push', 'run', 'collect', 'release'].reduce(
        (sum, name) => sum + (phases[name] ?? 0),
        0,
      ),
    );
    print({
      n: count,
      overhead: spread(seen.map(({ before, after }) => before + after)),
      submit_to_running: spread(seen.map(({ before }) => before)),
      end_to_report: spread(seen.map(({ after }) => after)),
      total: spread(seen.map(({ total }) => total)),
      phases: Object.fromEntries(
        [...new Set(seen.flatMap(({ phases }) => Object.keys(phases)))].map((name) => [
          name,
          spread(seen.map(({ phases }) => phases[name] ?? 0)),
        ]),
      ),
      sixteen_over_four: {
        wall_ms: Math.round(wall),
        machine_ms: Math.round(sum(onMachine)),
        mean_machines_busy: Number((sum(onMachine) / wall).toFixed(2)),
      },
    });
  } finally {
    lab.kill('SIGINT');
    await exited;
  }
} finally {
  await rm(home, { recursive: true, force: true });
}

async function analyze(url: string): Promise<Seen> {
  const form = new FormData();
  form.set('file', sample, 'noop.sh');
  const submitted = Date.now();
  const answer = await fetch(`${url}/tasks/create/file`, { method: 'POST', body: form });
  const { task_id: task } = (await answer.json()) as { task_id: number };
  const phases: Record<string, number> = {};
  let running = 0;
  let ended = 0;
  for await (const event of events(url, task)) {
    const at = Date.parse(event.at);
    if (event.kind === 'phase' && event.phase !== undefined && event.ms !== undefined) {
      phases[event.phase] = event.ms;
      if (event.phase === 'start') running = at;
      if (event.phase === 'run') ended = at;
    }
    if (event.status === 'reported')
      return { phases, before: running - submitted, after: at - ended, total: at - submitted };
    if (event.status?.startsWith('failed') === true) throw new Error(`task ${task}: ${event.status}`);
  }
  throw new Error(`task ${task}: the events ended early`);
}

async function* events(url: string, task: number): AsyncGenerator<Event> {
  const answer = await fetch(`${url}/tasks/events/${task}`);
  let text = '';
  for await (const chunk of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const messages = (text + chunk).split('\n\n');
    text = messages.pop() ?? '';
    for (const message of messages) {
      const data = message.split('\n').find((line) => line.startsWith('data:'));
      if (data !== undefined) yield JSON.parse(data.slice('data:'.length)) as Event;
    }
  }
}

function spread(numbers: readonly number[]): { p50: number; p95: number } {
  return { p50: percentile(numbers, 50), p95: percentile(numbers, 95) };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function print(result: object): void {
  process.stdout.write(`${JSON.stringify({ bench: 'overhead', ...machineDescription(), ...result })}\n`);
}

/** Goes on reading afterwards: a full pipe would stop the lab at its next log line. */
function said(stream: NodeJS.ReadableStream, what: RegExp): Promise<void> {
  let text = '';
  return new Promise((resolve, reject) => {
    stream.on('data', (chunk: Buffer) => {
      if (text.length < 1_000_000) text += chunk.toString();
      if (what.test(text)) resolve();
    });
    stream.once('end', () => reject(new Error(`the lab ended:\n${text}`)));
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
