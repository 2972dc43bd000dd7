/** A signal with an end of its own. Disposing gives the timer back; the signal then aborts no more. */
export interface Deadline extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * Aborts with `signal`, or after `ms` milliseconds with a TimeoutError, whichever is first.
 *
 * Not `AbortSignal.any([signal, AbortSignal.timeout(ms)])`: in Node 20 nothing holds that time-out, and after a
 * garbage collection it never fires (see deadline.test.ts).
 */
export function deadline(ms: number, signal: AbortSignal): Deadline {
  const controller = new AbortController();
  const follow = () => controller.abort(signal.reason);
  const timer = setTimeout(
    () => controller.abort(new DOMException(`nothing happened within ${Math.round(ms)} ms`, 'TimeoutError')),
    Math.min(ms, MAX_TIMER_MS),
  );
  if (signal.aborted) follow();
  else signal.addEventListener('abort', follow, { once: true });
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      signal.removeEventListener('abort', follow);
    },
  };
}

/** Node's timers fire at once when asked for more. */
const MAX_TIMER_MS = 2 ** 31 - 1;
