import { setTimeout as sleep } from 'node:timers/promises';
import { basename } from 'node:path';
import { reason } from '#domain/errors.js';
import type { TaskStatus } from '#domain/task.js';
import { TERMINAL } from '#domain/task.js';
import { type Client, hasFailed, type TaskEvent, type TaskView } from './client.js';
import type { Progress } from './progress.js';

export interface End {
  readonly status: TaskStatus;
  /** Milliseconds of each phase, as far as they were seen. */
  readonly phases: Readonly<Record<string, number>>;
  /** report.json's text; null when there is none. */
  readonly report: string | null;
  /** Why there is no report; null on success. */
  readonly failure: string | null;
}

interface Followed {
  readonly task: number;
  readonly name: string;
  /** Several at once: each line says which. */
  readonly many: boolean;
}

/** What is going on once the named phase has ended. */
const NEXT: Readonly<Record<string, string>> = {
  machine: 'preparing the machine',
  prepare: 'starting the machine',
  start: 'waiting for the guest',
  agent: 'handing the sample over',
  push: 'the sample runs',
  run: 'collecting results',
  collect: 'powering the machine off',
  release: 'examining what it did',
};

/** Event streams end when the API restarts; the state is then asked for, and the stream opened again. */
const RECONNECT_MS = 500;
/** How often the state is looked at beside the events: a lost event must not hang us. */
const LOOK_MS = 2000;

/** Follows one task to its end, with one line a phase. */
export async function followTask(
  client: Client,
  followed: Followed,
  progress: Progress,
  signal: AbortSignal,
): Promise<End> {
  const { task, name, many } = followed;
  const label = many ? `${basename(name)}: ` : '';
  const phases: Record<string, number> = {};
  const ended = new AbortController();
  const show = (event: TaskEvent): void => {
    if (event.kind !== 'phase' || event.phase === undefined || event.ms === undefined) return;
    if (phases[event.phase] === event.ms) return; // told again after the stream was opened anew
    phases[event.phase] = event.ms;
    progress.say(`  ${label}${event.phase.padEnd(10)} ${formatMs(event.ms).padStart(9)}`);
    const next = NEXT[event.phase];
    if (next !== undefined) progress.now(`${label}${next}`);
  };
  progress.say(`task ${task}: ${name}`);
  progress.now(`${label}waiting for a machine`);
  const listening = listen(client, task, show, AbortSignal.any([signal, ended.signal]));
  try {
    const last = await waitEnd(client, task, signal);
    const failed = hasFailed(last.status);
    const report = failed ? null : await client.report(task, 'json');
    return {
      status: last.status,
      phases,
      report,
      failure: failed ? (last.errors.at(-1) ?? last.status) : null,
    };
  } finally {
    ended.abort();
    await listening;
  }
}

async function waitEnd(client: Client, task: number, signal: AbortSignal): Promise<TaskView> {
  for (let failures = 0; ;) {
    signal.throwIfAborted();
    try {
      const seen = await client.view(task, LOOK_MS / 1000, signal);
      if (TERMINAL.includes(seen.status)) return seen;
      failures = 0;
    } catch (error) {
      signal.throwIfAborted();
      failures += 1;
      // The API is started again when it dies: bear with it for a while.
      if (failures > 20) throw error;
      await sleep(RECONNECT_MS, undefined, { signal });
    }
  }
}

async function listen(
  client: Client,
  task: number,
  show: (event: TaskEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    try {
      for await (const event of client.events(task, signal)) show(event);
    } catch (error) {
      if (signal.aborted) return;
      // Events are for the eye only; the state is looked at beside them.
      if (process.env['MALKOHA_DEBUG'] !== undefined) process.stderr.write(`events: ${reason(error)}\n`);
    }
    await sleep(RECONNECT_MS, undefined, { signal }).catch(() => {});
  }
}

export function formatMs(ms: number): string {
  return ms < 10_000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
