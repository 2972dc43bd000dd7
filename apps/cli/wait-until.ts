import { setTimeout as sleep } from 'node:timers/promises';
import type { Progress } from './progress.js';

/** Milliseconds between two looks. */
const LOOK_MS = 500;

export interface Waiting {
  /** What is still waited for; null: nothing. */
  readonly look: () => Promise<string | null>;
  readonly seconds: number;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Waits, saying what for whenever that changes. Returns what was still waited for when the time was over; null: nothing. */
export async function waitUntil({ look, seconds, progress, signal }: Waiting): Promise<string | null> {
  const end = performance.now() + seconds * 1000;
  let said = '';
  for (;;) {
    const what = await look();
    if (what === null || performance.now() >= end) return what;
    if (what !== said) progress.say(what);
    said = what;
    await sleep(LOOK_MS, undefined, { signal });
  }
}
