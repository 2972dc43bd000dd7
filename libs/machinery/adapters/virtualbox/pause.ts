import { until } from '../../until.js';

/** Resolves after `ms`, or rejects with the signal's own reason (timers/promises would wrap it). */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return until<undefined>(signal, (resolve) => {
    const timer = setTimeout(() => resolve(undefined), ms);
    return () => clearTimeout(timer);
  });
}
