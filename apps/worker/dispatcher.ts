import { reason, SandboxError } from '#domain/errors.js';
import { serves, type Machine, type Requirements } from '#domain/machine.js';
import type { MachineLease } from '#machinery/lease.js';
import { asked, type Taken } from '#queue/lane-queue.js';
import { wantsOf, type Lane } from '#domain/lanes.js';
import type { Bells } from '#queue/mail.js';
import type { Queues } from '#queue/queues.js';
import { isDatabaseAway } from '#storage/away.js';
import type { Claim } from '#storage/task-details.js';
import { analyze, type Analyst, type Verdict } from './analyst.js';
import { Breaker } from './breaker.js';

/** The part of the machine pool that is needed here. */
export interface Machines {
  free(): readonly Machine[];
  tryAcquire(wants: Requirements, avoid: readonly string[]): MachineLease | null;
}

export interface Dispatching {
  readonly analyst: Analyst;
  readonly machines: Machines;
  readonly queues: Queues;
  readonly bells: Bells;
  /** Why this host may not begin one more analysis beside so many; null: it may. */
  readonly admission: { blocks(running: number): Promise<string | null> };
  readonly shutdown: AbortSignal;
  /** A task was taken, so long after it was submitted. */
  onDispatch?(waitedMs: number): void;
}

/** Milliseconds between two looks of a host that may take nothing, when nobody tells it to look. */
const PAUSED_MS = 1_000;
/** Milliseconds between tries while Redis is away. */
const RETRY_MS = 500;
/** Milliseconds before a task whose machines are all in use, but for one it failed on, is offered again. */
const OTHER_MACHINE_MS = 500;
/** Milliseconds before the second attempt of a task; doubles for the third. */
const AGAIN_MS = 1_000;
/** Milliseconds before a task is offered again that this host could not even begin. */
const HOST_AGAIN_MS = 5_000;
/** Lanes whose meaning is remembered. */
const LANES_KEPT = 10_000;

/** Takes the best task for each machine that is free, and sees its analysis to the end. */
export class Dispatcher implements AsyncDisposable {
  readonly #runs = new Map<string, { readonly claim: Claim; readonly taken: AbortController }>();
  readonly #running = new Set<Promise<void>>();
  readonly #wants = new Map<Lane, Requirements>();
  readonly #breaker = new Breaker();
  /** Tasks that this host could not begin, and what puts each back. */
  readonly #put = new Map<number, NodeJS.Timeout | null>();
  #endDrain = (): void => {};
  /** Resolves once it was told to drain and nothing runs any more. */
  readonly drained = new Promise<void>((resolve) => (this.#endDrain = resolve));
  #loop: Promise<void> = Promise.resolve();
  #changed = (): void => {};
  #paused: string | null = null;
  #draining = false;
  #awayUntil = -Infinity;
  #closed = false;
  /** A lane that rang here and whose task is not taken yet. */
  #rung: Lane | null = null;

  constructor(private readonly by: Dispatching) {}

  /** Takes tasks from now on. */
  begin(): void {
    this.#loop = this.#dispatch();
  }

  /** Why no task is taken though a machine may be free; null: they are. */
  get paused(): string | null {
    return this.#paused;
  }

  /** Takes no more tasks from now on. */
  drain(): void {
    this.#draining = true;
    if (this.#running.size === 0) this.#endDrain();
    this.wake();
  }

  /** A machine, a lane, or what was wanted of this host has changed. */
  wake(): void {
    this.#changed();
    this.by.bells.wake();
  }

  /** The runs that this process has, by task and epoch. */
  runs(): readonly Claim[] {
    return [...this.#runs.values()].map(({ claim }) => claim);
  }

  /** These runs are the tasks' own no more: they end at once, and change nothing. */
  lose(claims: readonly Claim[]): void {
    for (const { task, epoch } of claims) {
      const lost = new SandboxError('CANCELLED', `task ${task.id} was taken from this worker`);
      this.#runs.get(keyOf(task.id, epoch))?.taken.abort(lost);
    }
  }

  /** After the shutdown signal, or a drain: waits until what runs was handed back. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.wake();
    for (const timer of this.#put.values()) if (timer !== null) clearTimeout(timer);
    await this.by.bells[Symbol.asyncDispose]();
    await this.#loop;
    await Promise.all(this.#running);
  }

  async #dispatch(): Promise<void> {
    while (!this.#ends) await this.#next().catch((error: unknown) => this.#failed(error));
  }

  get #ends(): boolean {
    return this.#closed || this.by.shutdown.aborted;
  }

  async #failed(error: unknown): Promise<void> {
    if (this.#ends) return; // what was waited on was closed
    this.by.analyst.log('warn', `no task is taken: ${reason(error)}`, { stage: 'dispatch' });
    await this.#change(RETRY_MS);
  }

  /** One task, or one wait for what may bring one. */
  async #next(): Promise<void> {
    const { machines, queues, bells } = this.by;
    // Whatever changes from here on must not be slept through.
    const change = this.#change(PAUSED_MS);
    this.#paused = await this.#why();
    if (this.#paused !== null || machines.free().length === 0) {
      await this.#passOn();
      await change;
      return;
    }
    const taken = await asked(queues.redis, () => queues.lanes.take(this.#servedNow()));
    if (taken !== null) await this.#begin(taken);
    // The bell was for a task that is not this one, or that this host cannot serve any more: another one may.
    if (
      this.#rung === taken?.lane ||
      (taken === null && this.#rung !== null && this.#servedNow()(this.#rung))
    )
      this.#rung = null;
    await this.#passOn();
    if (taken !== null) return;
    const { known, dueInMs } = queues.lanes;
    this.#rung = await bells.wait(known.filter(this.#servedNow()), dueInMs);
  }

  async #why(): Promise<string | null> {
    if (this.#draining) return 'it is drained: it takes no more tasks';
    // Every task it took now would only be put back.
    if (performance.now() < this.#awayUntil) return 'the database does not answer';
    const running = this.#running.size;
    return this.#breaker.blocks(running) ?? (await this.by.admission.blocks(running));
  }

  /** Which lanes the machines that are free now serve: of many lanes, the machines are looked at once. */
  #servedNow(): (lane: Lane) => boolean {
    const free = this.by.machines.free();
    return (lane) => {
      const wants = this.#wantsOf(lane);
      return free.some((machine) => serves(machine, wants));
    };
  }

  #wantsOf(lane: Lane): Requirements {
    const known = this.#wants.get(lane);
    if (known !== undefined) return known;
    if (this.#wants.size >= LANES_KEPT) this.#wants.clear();
    const wants = wantsOf(lane);
    this.#wants.set(lane, wants);
    return wants;
  }

  async #begin(taken: Taken): Promise<void> {
    const { machines, queues } = this.by;
    // It may have been told to drain while it took the task.
    const lease = this.#draining ? null : machines.tryAcquire(wantsOf(taken.lane), taken.avoid);
    if (lease === null) {
      await queues.lanes.putBack(taken, taken.avoid.length > 0 ? OTHER_MACHINE_MS : 0);
      return;
    }
    this.by.onDispatch?.(taken.waitedMs);
    const run = this.#run(taken, lease).finally(() => {
      this.#running.delete(run);
      if (this.#draining && this.#running.size === 0) this.#endDrain();
      this.#changed();
    });
    this.#running.add(run);
  }

  /** Never rejects. */
  async #run(taken: Taken, lease: MachineLease): Promise<void> {
    const { analyst, queues, shutdown } = this.by;
    const gone = new AbortController();
    let key = '';
    const onClaim = (claim: Claim): void => {
      key = keyOf(claim.task.id, claim.epoch);
      this.#runs.set(key, { claim, taken: gone });
    };
    try {
      const verdict = await analyze(taken.id, lease, analyst, { shutdown, taken: gone.signal, onClaim });
      this.#learn(verdict);
      if (verdict.kind !== 'host fails') this.#put.delete(taken.id);
      await this.#passTask(verdict, taken.id);
    } catch (error) {
      // Its row says what became of it; if it is pending, or ours and nobody runs it, it is put right from there.
      if (isDatabaseAway(error)) this.#awayUntil = performance.now() + AGAIN_MS;
      analyst.log('error', `the run ended without a verdict: ${reason(error)}`, { task: taken.id });
      await queues.lanes.putBack(taken, AGAIN_MS).catch((failed: unknown) => this.#later(taken.id, failed));
    } finally {
      this.#runs.delete(key);
    }
  }

  #learn(verdict: Verdict): void {
    if (!('blame' in verdict)) return;
    if (verdict.blame === null) this.#breaker.succeeded();
    else this.#breaker.failed(verdict.blame);
  }

  async #passTask(verdict: Verdict, id: number): Promise<void> {
    const { queues, analyst } = this.by;
    try {
      switch (verdict.kind) {
        case 'not ours':
          return;
        case 'done':
          if (verdict.status === 'completed' && analyst.settings.cuckoo.process_results)
            await queues.enqueueProcessing({ id, priority: verdict.priority });
          return;
        case 'again': {
          const { task, attempt } = verdict.claim;
          const delayMs = AGAIN_MS * 2 ** (attempt - 1);
          await queues.enqueueAnalysis({ ...task, avoid: verdict.avoid }, { at: 'front', delayMs });
          return;
        }
        case 'host fails':
          await this.#putBackLater(verdict, id);
          return;
        case 'handed back': {
          const { task, avoid } = verdict.claim;
          await queues.enqueueAnalysis({ ...task, avoid }, { at: 'front' });
          return;
        }
      }
    } catch (error) {
      this.#later(id, error);
    }
  }

  /**
   * To the end of its level after a while: it may be all that this host cannot run, and the others must not wait for it.
   * Its row tells the first time why it waits. Should this process end, the reconciler finds it.
   */
  async #putBackLater({ claim, code, blame }: Verdict & { kind: 'host fails' }, id: number): Promise<void> {
    const { queues, analyst } = this.by;
    const known = this.#put.has(id);
    const put = (): void => {
      this.#put.set(id, null);
      queues
        .enqueueAnalysis({ ...claim.task, avoid: claim.avoid })
        .catch((error: unknown) => this.#later(id, error));
    };
    this.#put.set(id, setTimeout(put, HOST_AGAIN_MS).unref());
    if (!known) await analyst.tasks.addError(id, code, `not begun yet: ${blame}`);
  }

  #later(task: number, error: unknown): void {
    this.by.analyst.log('warn', `the reconciler will queue it: ${reason(error)}`, { task });
  }

  async #passOn(): Promise<void> {
    if (this.#rung === null) return;
    const lane = this.#rung;
    this.#rung = null;
    await this.by.bells.passOn(lane);
  }

  /** Resolves at the next `wake`, or after so long. */
  async #change(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms).unref();
      this.#changed = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function keyOf(task: number, epoch: number): string {
  return `${task}/${epoch}`;
}
