import { appendFile, open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NodeRow } from '#distribution/entities/node.entity.js';
import { reason, SandboxError } from '#domain/errors.js';
import type { Log } from '../log.js';
import { taskCounters } from './status/task-counters.js';

/** Seconds of a round, as the first distributed script had them. */
const ROUND_S = 30;

export interface UptimeParts {
  /** Of the uptime log. */
  readonly path: string;
  readonly nodes: { list(): Promise<readonly NodeRow[]> };
  /** Seconds between two looks at a node. */
  readonly interval: number;
  readonly log: Log;
  /** Milliseconds of a round, for tests. */
  readonly roundMs?: number;
}

/**
 * Adds a line to the uptime log at the end of each round, in the format of the first distributed script. Disposing ends
 * it. What goes wrong meanwhile is told once, and tried again in the next round: nothing else waits for it.
 *
 * @throws CONFIG_INVALID when the file cannot be opened, as when its folder is not there
 */
export async function startUptimeLog(parts: UptimeParts): Promise<AsyncDisposable> {
  const { path, nodes, interval, log, roundMs = roundSeconds(interval) * 1000 } = parts;
  await mustBeWritable(path);
  const ended = new AbortController();
  let isTold = false;
  const round = async (start: Date): Promise<void> => {
    try {
      // Opened anew each time: the file may have been moved away by a log rotation.
      await appendFile(path, uptimeLine(start, await nodes.list()));
      isTold = false;
    } catch (error) {
      if (!isTold) log('warn', `no line was added to the uptime log: ${reason(error)}`, { stage: 'uptime' });
      isTold = true;
    }
  };
  const running = (async () => {
    for (;;) {
      const start = new Date();
      await sleep(roundMs, undefined, { signal: ended.signal }).catch(() => {}); // the signal says why
      if (ended.signal.aborted) return;
      await round(start);
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      ended.abort();
      await running;
    },
  };
}

/** Two looks fall into each round: a node that answers a little later than the last time would be missing otherwise. */
export function roundSeconds(interval: number): number {
  return Math.max(ROUND_S, 2 * interval);
}

/**
 * `{"timestamp": <start of the round, unix seconds>, "status": {<node>: {reported, running, total, completed, pending}}}`;
 * nodes that did not answer in the round are missing.
 */
export function uptimeLine(start: Date, nodes: readonly NodeRow[]): string {
  const status = nodes.flatMap(({ name, status: said, statusOn }) => {
    const counters = statusOn !== null && statusOn >= start ? taskCounters(said) : null;
    return counters === null ? [] : [[name, counters] as const];
  });
  const timestamp = Math.floor(start.getTime() / 1000);
  return `${JSON.stringify({ timestamp, status: Object.fromEntries(status) })}\n`;
}

async function mustBeWritable(path: string): Promise<void> {
  try {
    await (await open(path, 'a', 0o640)).close();
  } catch (cause) {
    const what = `uptime_logfile: ${path} cannot be opened; name a file in a folder that is there`;
    throw new SandboxError('CONFIG_INVALID', what, { cause });
  }
}
