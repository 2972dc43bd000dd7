import { deadline } from '#domain/deadline.js';
import { reason } from '#domain/errors.js';
import type { Finding } from '../../finding.js';
import { fail, type Verdict } from '../../verdict.js';

export interface Check {
  readonly name: string;
  readonly machine?: string;
  /** Milliseconds it may take; default DEFAULT_MS. */
  readonly ms?: number;
  /** Milliseconds it then has to undo what it did: to stop a machine. Default: none, it is left behind. */
  readonly graceMs?: number;
  readonly run: (signal: AbortSignal) => Promise<Verdict | readonly Verdict[]> | Verdict | readonly Verdict[];
}

/** Everything that only asks the kernel or a program on this host answers long before. */
const DEFAULT_MS = 15_000;

/** One after the other. What is wrong with a check itself is a finding, too, and keeps none of the others from running. */
export async function* examine(checks: Iterable<Check>, signal: AbortSignal): AsyncGenerator<Finding> {
  for (const check of checks) {
    for (const verdict of await outcome(check, signal)) yield finding(check, verdict);
  }
}

function finding(
  { name, machine }: Check,
  { check = name, status, found, fix, machine: of = machine }: Verdict,
): Finding {
  return { check, status, found, fix, ...(of === undefined ? {} : { machine: of }) };
}

/** @throws the signal's reason, and nothing else */
async function outcome(check: Check, signal: AbortSignal): Promise<readonly Verdict[]> {
  signal.throwIfAborted();
  using within = deadline(check.ms ?? DEFAULT_MS, signal);
  const work = Promise.resolve(within.signal).then(check.run);
  try {
    // A check that does not heed its signal (a disk that is gone) is left behind.
    const verdicts = await Promise.race([work, expired(within.signal)]);
    return 'status' in verdicts ? [verdicts] : verdicts;
  } catch (error) {
    if (within.signal.aborted) await settled(work, check.graceMs ?? 0);
    signal.throwIfAborted();
    if (within.signal.aborted) {
      const seconds = (check.ms ?? DEFAULT_MS) / 1000;
      return [fail(`no result within ${seconds} s: what it asks hangs`, HANGS)];
    }
    return [fail(`the check itself failed: ${reason(error)}`, DEFECT)];
  }
}

const HANGS =
  'run it again when the host is less busy; if it hangs again, what the check is named after does';
const DEFECT = 'if the message names nothing you can mend, report it as a defect of Malkoha';

/** Waits for the end of `work`, whichever it is, but not longer than `ms`. */
async function settled(work: Promise<unknown>, ms: number): Promise<void> {
  using patience = deadline(ms, new AbortController().signal);
  await Promise.race([work, expired(patience.signal)]).catch(() => undefined);
}

function expired(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}
