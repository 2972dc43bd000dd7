import { setTimeout as sleep } from 'node:timers/promises';
import { basename } from 'node:path';
import { reason } from '#domain/errors.js';
import type { TaskStatus } from '#domain/task.js';
import { TERMINAL } from '#domain/task.js';
import type { TaskBody, TaskEvent } from './answers.js';
import type { Client } from './client.js';
import { formatMs } from './humane.js';
import type { Progress } from './progress.js';
import { RECONNECT_MS, taskEvents } from './task-events.js';
import { failureOf } from './task-text.js';

export interface End {
  readonly status: TaskStatus;
  /** Milliseconds of each phase, as far as they were seen. */
  readonly phases: Readonly<Record<string, number>>;
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
    return { status: last.status, phases, failure: failureOf(last) };
  } finally {
    ended.abort();
    await listening;
  }
}

async function waitEnd(client: Client, task: number, signal: AbortSignal): Promise<TaskBody> {
  for (let failures = 0; ;) {
    signal.throwIfAborted();
    try {
      const seen = await client.view(task, LOOK_MS / 1000);
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
  try {
    for await (const event of taskEvents(client, task, signal)) show(event);
  } catch (error) {
    if (signal.aborted) return;
    // Events are for the eye only; the state is looked at beside them.
    if (process.env['MALKOHA_DEBUG'] !== undefined) process.stderr.write(`events: ${reason(error)}\n`);
  }
}
