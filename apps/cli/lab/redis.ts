import { setTimeout as sleep } from 'node:timers/promises';
import { reason, SandboxError } from '#domain/errors.js';
import { type PrivateRedis, type PrivateRedisPlaces, startPrivateRedis } from '#queue/private-redis.js';

export interface RedisKeeper extends AsyncDisposable {
  /** unix:///<socket> */
  readonly connection: string;
  /** Rejects when it cannot be kept alive. */
  readonly broken: Promise<never>;
  kill(): void;
}

const MAX_RESTARTS = 5;
const RESTART_WINDOW_MS = 60_000;

/** A private Redis that is started again when it dies; its append-only file brings the jobs back. */
export async function keepRedis(
  places: PrivateRedisPlaces,
  onRestart: (why: string) => void,
  signal: AbortSignal,
): Promise<RedisKeeper> {
  let server = await startPrivateRedis(places, signal);
  const stopping = new AbortController();
  const keeping = keep();
  keeping.catch(() => {}); // whoever waits on `broken` hears of it

  async function keep(): Promise<never> {
    const deaths: number[] = [];
    for (;;) {
      const why = await lost(server);
      if (stopping.signal.aborted) return new Promise<never>(() => {});
      const now = Date.now();
      deaths.push(now);
      if (deaths.filter((at) => now - at < RESTART_WINDOW_MS).length > MAX_RESTARTS) {
        throw new SandboxError('QUEUE_UNAVAILABLE', `${why}, again and again`);
      }
      onRestart(`${why}; it is started again`);
      await sleep(50);
      server = await startPrivateRedis(places, stopping.signal);
    }
  }

  return {
    connection: server.connection,
    broken: keeping,
    kill: () => {
      stopping.abort();
      try {
        process.kill(server.pid, 'SIGKILL');
      } catch {
        // it has ended already, which is what was wanted
      }
    },
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await server[Symbol.asyncDispose]();
    },
  };
}

function lost(server: PrivateRedis): Promise<string> {
  return new Promise((resolve) => {
    const tell = (): void => resolve(reason(server.lost.reason));
    if (server.lost.aborted) tell();
    else server.lost.addEventListener('abort', tell, { once: true });
  });
}
