/**
 * A signal that aborts when one of `sources` does, or after `timeoutMs`; disposing of it lets go of them.
 * AbortSignal.any() would do, but for Node 20: there a source remembers every signal ever made of it, and ours live
 * as long as the process; and an AbortSignal.timeout() that only such a signal knows may be collected before it fires.
 */
export function linkedSignal(
  sources: readonly AbortSignal[],
  timeoutMs: number | null,
): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  const listeners = sources.map((source) => {
    const abort = () => controller.abort(source.reason);
    if (source.aborted) abort();
    source.addEventListener('abort', abort);
    return () => source.removeEventListener('abort', abort);
  });
  const expire = () => controller.abort(new DOMException(`took longer than ${timeoutMs} ms`, 'TimeoutError'));
  const timer = timeoutMs === null ? undefined : setTimeout(expire, timeoutMs).unref();
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      for (const remove of listeners) remove();
    },
  };
}
