/** Ends what makes no progress, or takes too long in all. Disposing gives the timers back. */
export interface Watch extends Disposable {
  readonly signal: AbortSignal;
  /** Something came or went: the time between two pieces begins anew. */
  progress(): void;
}

/** @param limits milliseconds: `idle` between two pieces, `total` from now to the end */
export function watch(limits: { readonly idle: number; readonly total: number }, signal: AbortSignal): Watch {
  const controller = new AbortController();
  const follow = () => controller.abort(signal.reason);
  const after = (ms: number, what: string) =>
    setTimeout(() => controller.abort(new DOMException(`${what} ${ms / 1000} s`, 'TimeoutError')), ms);
  const idle = after(limits.idle, 'nothing happened for');
  const total = after(limits.total, 'it was not done in');
  if (signal.aborted) follow();
  else signal.addEventListener('abort', follow, { once: true });
  return {
    signal: controller.signal,
    progress: () => void idle.refresh(),
    [Symbol.dispose]() {
      clearTimeout(idle);
      clearTimeout(total);
      signal.removeEventListener('abort', follow);
    },
  };
}
