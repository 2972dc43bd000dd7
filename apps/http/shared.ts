import { setImmediate as nextTurn } from 'node:timers/promises';

/**
 * One run of `work` for all who ask at about the same time. Who asks while it runs gets the answer of the next run: never
 * one that is older than the question.
 */
export function shared<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<T> | null = null;
  const begin = async (): Promise<T> => {
    await running.catch(() => {}); // those who asked for it see its error
    await nextTurn();
    next = null;
    const mine = work();
    running = mine;
    return mine;
  };
  return () => (next ??= begin());
}

/** What `work` last answered, for `ms` milliseconds: for what may be that old. A failure is told once, and not kept. */
export function cached<T>(ms: number, work: () => Promise<T>): () => Promise<T> {
  let kept: { readonly answer: Promise<T>; readonly until: number } | null = null;
  return () => {
    if (kept !== null && performance.now() < kept.until) return kept.answer;
    const answer = work();
    kept = { answer, until: performance.now() + ms };
    answer.catch(() => (kept = null)); // whoever asked sees the error
    return answer;
  };
}
