import { setTimeout as sleep } from 'node:timers/promises';

/** Does the work, which never throws, at once and again `ms` milliseconds after its end. Returns what ends it. */
export function every(ms: number, work: (signal: AbortSignal) => Promise<void>): () => Promise<void> {
  const end = new AbortController();
  const going = (async () => {
    while (!end.signal.aborted) {
      await work(end.signal);
      await sleep(ms, undefined, { signal: end.signal }).catch(() => {}); // the loop sees the end
    }
  })();
  return async () => {
    end.abort();
    await going;
  };
}
