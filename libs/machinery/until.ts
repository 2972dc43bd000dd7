/**
 * A promise that an AbortSignal ends. `begin` starts waiting and returns how to stop waiting; that runs exactly once,
 * whichever way the wait ends.
 */
export function until<T>(
  signal: AbortSignal,
  begin: (resolve: (value: T) => void, reject: (error: Error) => void) => () => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    let over = false;
    let stop: (() => void) | null = null;
    const end = (settle: () => void) => {
      if (over) return;
      over = true;
      signal.removeEventListener('abort', aborted);
      stop?.();
      settle();
    };
    const aborted = () => end(() => reject(signal.reason as Error));
    signal.addEventListener('abort', aborted);
    stop = begin(
      (value) => end(() => resolve(value)),
      (error) => end(() => reject(error)),
    );
    // `begin` may have settled before it returned.
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition
    if (over) stop();
  });
}

/** Waits for `promise`, but not longer than `signal` allows; the promise itself goes on. */
export function untilSettled<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return until(signal, (resolve, reject) => {
    promise.then(resolve, reject);
    return () => undefined;
  });
}
