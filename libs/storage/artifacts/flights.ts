/** Work that several wait for at once is done once. It goes on when those who wait give up, until `end`. */
export class Flights {
  readonly #going = new Map<string, Promise<unknown>>();
  readonly #ended = new AbortController();

  async join<T>(key: string, work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    let going = this.#going.get(key) as Promise<T> | undefined;
    if (!going) {
      going = work(this.#ended.signal).finally(() => this.#going.delete(key));
      this.#going.set(key, going);
    }
    const { promise, stop } = whenAborted(signal);
    try {
      return await Promise.race([going, promise]);
    } finally {
      stop();
    }
  }

  /** Nothing goes on when this resolves. */
  async end(): Promise<void> {
    this.#ended.abort(new Error('the store is closed'));
    await Promise.allSettled(this.#going.values());
  }
}

function whenAborted(signal: AbortSignal): { readonly promise: Promise<never>; readonly stop: () => void } {
  let stop = (): void => {};
  const promise = new Promise<never>((_, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort);
    stop = () => signal.removeEventListener('abort', onAbort);
  });
  return { promise, stop };
}
