/** Time as the stack sees it; a test brings its own. Milliseconds from an arbitrary start, never going back. */
export interface Clock {
  now(): number;
  /** Calls back once, not before `at`. Returns what calls it off. */
  wake(at: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wake(at, callback) {
    const timer = setTimeout(callback, Math.max(0, Math.ceil(at - performance.now())));
    return () => clearTimeout(timer);
  },
};
