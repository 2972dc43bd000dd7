import { setTimeout as sleep } from 'node:timers/promises';
import { SandboxError } from '#domain/errors.js';

/** Milliseconds a check may take. */
const CHECK_MS = 2000;
/** Milliseconds an answer is given again. */
const KEEP_MS = 1000;

/** Resolves with a remark, or null; rejects when it is not as it must be. */
export type Check = () => Promise<string | null>;

export interface Checked {
  readonly ok: boolean;
  readonly ms: number;
  readonly why?: string;
}

export interface Health {
  readonly ready: boolean;
  readonly checks: Readonly<Record<string, Checked>>;
  readonly warnings: readonly string[];
}

/** Whether all is as it must be. However many ask, it is looked at once a second. */
export class Readiness {
  readonly #checks: readonly (readonly [name: string, check: Check])[];
  readonly #warning: Check;
  #last: { readonly at: number; readonly health: Promise<Health> } | null = null;

  /** @param warning what an operator should know all the same */
  constructor(checks: Readonly<Record<string, Check>>, warning: Check = async () => null) {
    this.#checks = Object.entries(checks).map(([name, check]) => [name, once(check)]);
    this.#warning = once(warning);
  }

  async now(): Promise<Health> {
    const at = performance.now();
    if (this.#last === null || at - this.#last.at >= KEEP_MS) this.#last = { at, health: this.#look() };
    return this.#last.health;
  }

  async #look(): Promise<Health> {
    const [done, warned] = await Promise.all([
      Promise.all(this.#checks.map(async ([name, check]) => [name, await checked(check)] as const)),
      // Why it is not known, the check of the database tells.
      Promise.race([this.#warning(), sleep(CHECK_MS, null, { ref: false })]).catch(() => null),
    ]);
    return {
      ready: done.every(([, { ok }]) => ok),
      checks: Object.fromEntries(done),
      warnings: warned === null ? [] : [warned],
    };
  }
}

/** What hangs, on a disk that is gone for example, is not begun again and again: it is waited for. */
function once(check: Check): Check {
  let pending: Promise<string | null> | null = null;
  return () => {
    pending ??= check().finally(() => (pending = null));
    return pending;
  };
}

async function checked(check: Check): Promise<Checked> {
  const started = performance.now();
  const took = () => Math.round((performance.now() - started) * 10) / 10;
  const ended = new AbortController();
  const late = sleep(CHECK_MS, undefined, { signal: ended.signal, ref: false }).then(() => {
    throw new SandboxError('INTERNAL', `no answer in ${CHECK_MS} ms`);
  });
  try {
    const remark = await Promise.race([check(), late]);
    return { ok: true, ms: took(), ...(remark !== null && { why: remark }) };
  } catch (error) {
    return { ok: false, ms: took(), why: why(error) };
  } finally {
    ended.abort();
    late.catch(() => {}); // the timer was given back
  }
}

/** In our own words, or by its code: what a driver says may hold names, addresses and statements. */
function why(error: unknown): string {
  if (error instanceof SandboxError) return error.message;
  const { code, driverError } = error as { code?: unknown; driverError?: { code?: unknown } };
  const known = driverError?.code ?? code;
  return typeof known === 'string' ? `it does not work: ${known}` : 'it does not work';
}
