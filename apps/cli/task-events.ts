import { setTimeout as sleep } from 'node:timers/promises';
import { SandboxError } from '#domain/errors.js';
import { TERMINAL } from '#domain/task.js';
import type { TaskEvent } from './answers.js';
import type { Client } from './client.js';

/** An API that died is started again in about this time. */
export const RECONNECT_MS = 500;
/** Connections in a row that may fail, once one did not. */
const MAX_FAILURES = 20;

/**
 * What happens to one task until it has ended, or to all of them (null) until `signal` aborts, over as many
 * connections as it takes: a stream ends when the API does.
 *
 * @throws what the first connection says, or the last when no other follows
 */
export async function* taskEvents(
  client: Client,
  task: number | null,
  signal: AbortSignal,
): AsyncGenerator<TaskEvent> {
  const isNew = task === null ? () => true : newOnly();
  let lastId: string | null = null;
  let patience = 0;
  for (;;) {
    try {
      for await (const { id, event } of client.events(task, lastId, signal)) {
        lastId = id ?? lastId;
        patience = MAX_FAILURES;
        if (event === null) continue;
        if (isNew(event)) yield event;
        if (task !== null && isLast(event)) return;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (patience === 0 || !(error instanceof SandboxError && error.retry)) throw error;
      patience -= 1;
    }
    await sleep(RECONNECT_MS, undefined, { signal });
  }
}

function isLast({ kind, status }: TaskEvent): boolean {
  return kind === 'deleted' || (status !== undefined && TERMINAL.includes(status));
}

/** A stream that is opened anew begins with the phases so far and the status now. */
function newOnly(): (event: TaskEvent) => boolean {
  const last = new Map<string, unknown>();
  return ({ kind, status, phase, ms }) => {
    const [what, value] = phase === undefined ? [kind, status] : [phase, ms];
    const known = last.has(what) && last.get(what) === value;
    last.set(what, value);
    return !known;
  };
}
