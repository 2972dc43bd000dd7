import type { Redis } from 'ioredis';
import { TASK_STATUSES, type TaskStatus } from '#domain/task.js';

/** Redis channel of what happens to tasks. Nobody keeps these: the truth is in SQL, this only says when to look. */
export const EVENTS_CHANNEL = 'malkoha:events';

interface Happened {
  readonly task: number;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly machine?: string;
}

export type TaskEvent =
  | (Happened & { readonly kind: 'status'; readonly status: TaskStatus })
  /** A phase of the run: with `ms` it is over, without it begins. */
  | (Happened & { readonly kind: 'phase'; readonly phase: string; readonly ms?: number });

export async function publish(redis: Redis, event: TaskEvent): Promise<void> {
  await redis.publish(EVENTS_CHANNEL, JSON.stringify(event));
}

/** Calls `onEvent` for each event until disposed, over a connection of its own. Reconnects and goes on by itself. */
export function subscribe(
  redis: Redis,
  onEvent: (event: TaskEvent) => void,
  onError: (error: Error) => void,
): AsyncDisposable {
  const subscriber = redis.duplicate();
  subscriber.on('error', onError);
  subscriber.on('message', (_channel: string, message: string) => {
    const event = parseEvent(message);
    if (event) onEvent(event);
  });
  subscriber.subscribe(EVENTS_CHANNEL).catch(onError);
  return {
    async [Symbol.asyncDispose]() {
      subscriber.disconnect();
    },
  };
}

/** Null for anything that is not an event of this version. */
export function parseEvent(message: string): TaskEvent | null {
  let value: unknown;
  try {
    value = JSON.parse(message);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const event = value as Record<string, unknown>;
  if (!Number.isSafeInteger(event['task']) || typeof event['at'] !== 'string') return null;
  const isStatus = event['kind'] === 'status' && TASK_STATUSES.some((status) => status === event['status']);
  const isPhase = event['kind'] === 'phase' && typeof event['phase'] === 'string';
  return isStatus || isPhase ? (value as TaskEvent) : null;
}
