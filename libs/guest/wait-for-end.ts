import { setTimeout as sleep } from 'node:timers/promises';
import { deadline } from '#domain/deadline.js';
import { reason, SandboxError } from '#domain/errors.js';
import type { AgentClient } from './agent.js';
import type { GuestStatus } from './answers.js';

export type RunEnd =
  | { readonly status: 'completed' }
  /** The host's clock ran out; the analyzer said nothing of an end. */
  | { readonly status: 'timed_out' }
  /** The analyzer failed: what it said, attacker-controlled text. What was uploaded until then is kept. */
  | { readonly status: 'exception'; readonly description: string };

/** Milliseconds between two questions, as in Cuckoo; a long poll answers by itself as soon as there is news. */
const POLL_MS = 1_000;

/** The least between two long polls: an agent that answers at once with no news must not keep us busy. */
const LONG_POLL_PAUSE_MS = 100;

/** Seconds one long poll lasts: how late a guest that hangs is noticed, among other things. */
const LONG_POLL_SECONDS = 20;

/** CAPE gives up after as many. A fork bomb makes an agent miss a few; a sample that killed it, all. */
const MAX_FAILURES = 10;

/**
 * Waits for the analyzer to end, by the guest's word and the host's clock.
 *
 * @param options.longPoll the agent has feature `waitstatus`
 * @param options.pollMs between two questions, and after one that was not answered
 * @throws GUEST_LOST when the agent failed to answer MAX_FAILURES times in a row
 */
export async function waitForEnd(
  agent: AgentClient,
  options: { readonly seconds: number; readonly longPoll: boolean; readonly pollMs?: number },
  signal: AbortSignal,
): Promise<RunEnd> {
  const { longPoll, pollMs = POLL_MS } = options;
  using limit = deadline(options.seconds * 1000, signal);
  const pause = (ms: number) => sleep(ms, undefined, { signal: limit.signal }).catch(() => undefined);
  let seen: string | null = 'running';
  for (let failures = 0; ;) {
    const asked = performance.now();
    try {
      const news: GuestStatus = longPoll
        ? await agent.waitStatus(LONG_POLL_SECONDS, seen, limit.signal)
        : await agent.status(limit.signal);
      const end = ended(news);
      if (end) return end;
      failures = 0;
      // An agent that gives no news at once is not waiting for any.
      const patient = news.status !== seen || performance.now() - asked > pollMs;
      seen = news.status;
      await pause(longPoll && patient ? LONG_POLL_PAUSE_MS : pollMs);
    } catch (error) {
      if (!limit.signal.aborted) {
        failures += 1;
        if (failures >= MAX_FAILURES) throw lost(failures, error);
        await pause(pollMs);
      }
    }
    signal.throwIfAborted();
    if (limit.signal.aborted) return { status: 'timed_out' };
  }
}

/** `failed` is CAPE's word for an analyzer that exited with an error. */
function ended({ status, description }: GuestStatus): RunEnd | null {
  if (status === 'complete') return { status: 'completed' };
  if (status !== 'exception' && status !== 'failed') return null;
  return { status: 'exception', description: description ?? 'the analyzer did not say why' };
}

function lost(failures: number, cause: unknown): SandboxError {
  return new SandboxError(
    'GUEST_LOST',
    `the agent did not answer ${failures} times in a row while the sample ran: ${reason(cause)}`,
    { cause },
  );
}
