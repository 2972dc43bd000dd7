import type { Progress } from './progress.js';

export const INTERRUPTED = 130;

/**
 * Runs `work` with a signal that Ctrl-C (or SIGTERM, SIGHUP) aborts; it then gets the time it needs to end properly.
 * A second Ctrl-C runs what `onSecond` was given and exits at once. `onFirst` tells what the first one does.
 */
export async function interruptible(
  work: (signal: AbortSignal, onSecond: (kill: () => void) => void) => Promise<number>,
  progress: Progress,
  onFirst = (): void =>
    progress.say('stopping; what cannot finish is handed back and stays pending (again: stop at once)'),
): Promise<number> {
  const controller = new AbortController();
  let kill: () => void = () => {};
  const onSignal = (): void => {
    if (controller.signal.aborted) {
      kill();
      process.exit(INTERRUPTED);
    }
    progress.done();
    onFirst();
    controller.abort(new Error('interrupted'));
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of signals) process.on(name, onSignal);
  try {
    return await work(controller.signal, (how) => {
      kill = how;
    });
  } catch (error) {
    if (controller.signal.aborted) return INTERRUPTED;
    throw error;
  } finally {
    progress.done();
    for (const name of signals) process.off(name, onSignal);
  }
}
