import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { SandboxError } from '#domain/errors.js';
import { VERSION } from '../../version.js';
import { Context } from '../context.js';
import { checksOf, isAlive, type Check } from './checks.js';

/** Milliseconds a check may take. */
const CHECK_MS = 2000;
/** Milliseconds an answer is given again. */
const KEEP_MS = 1000;

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

/** Whether the lab can take a task and run it. However many ask, it is looked at once a second. */
@Injectable()
export class Readiness {
  readonly #checks: readonly (readonly [name: string, check: Check])[];
  readonly #skew: Check;
  #last: { readonly at: number; readonly health: Promise<Health> } | null = null;

  constructor(by: Context) {
    this.#checks = Object.entries(checksOf(by)).map(([name, check]) => [name, once(check)]);
    this.#skew = once(() => skew(by));
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
      Promise.race([this.#skew(), sleep(CHECK_MS, null, { ref: false })]).catch(() => null),
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

async function skew({ workers }: Context): Promise<string | null> {
  const others = (await workers.list()).filter((one) => isAlive(one) && one.version !== VERSION);
  if (others.length === 0) return null;
  const named = others.map(({ name, version }) => `${name} (${version})`).join(', ');
  return `these workers are of another version than this API, ${VERSION}: ${named}`;
}
