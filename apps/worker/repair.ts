import { setTimeout as sleep } from 'node:timers/promises';
import { ERRORS, reason } from '#domain/errors.js';
import { serves, wanted } from '#domain/machine.js';
import { wantsOf } from '#domain/lanes.js';
import { leads, Liveness } from '#queue/liveness.js';
import { keepWorkers } from '#queue/mail.js';
import type { Queues } from '#queue/queues.js';
import { reconcile, type Lease, type Places, type Repaired } from '#queue/reconcile.js';
import { toMachine, type Machines } from '#storage/machines.js';
import type { Tasks } from '#storage/tasks.js';
import type { Workers } from '#storage/workers.js';
import type { Log } from '../log.js';

export interface RepairOptions {
  readonly worker: string;
  readonly tasks: Tasks;
  readonly machines: Machines;
  readonly workers: Workers;
  readonly queues: Queues;
  readonly settings: {
    readonly reschedule: boolean;
    readonly process_results: boolean;
    /** Seconds that a task waits for a machine that is not there. */
    readonly patience: number;
  };
  readonly log: Log;
  /** Milliseconds from one look to the next, at least; half a second unless given. */
  readonly pauseMs?: number;
  /** After each look that this worker made. */
  onRepaired(repaired: Repaired): void;
}

/** Milliseconds after which the machines of a worker that is gone are not waited for any more. */
const FORGET_MACHINES_MS = 24 * 3_600_000;

const PAUSE_MS = 500;

/** Tasks of one lane that are refused in one go; more follow at the next look. */
const REFUSED_AT_ONCE = 500;

/** What a crash, of whatever, left undone is put right by one worker of the lab, which all of them offer to be. */
export class Repair {
  readonly #liveness = new Liveness();
  #busy: Promise<void> = Promise.resolve();
  /** Asked for and not begun: more who ask before it begins are served by it. */
  #next: Promise<void> | null = null;
  #lookedAt = -Infinity;
  /** Where the last look ended that found more than it could look at. */
  readonly #places: Places = { pending: 0, completed: 0 };

  constructor(private readonly by: RepairOptions) {}

  /** Looks once, if this worker is the one that does. Never rejects. */
  async look(signal: AbortSignal): Promise<void> {
    this.#next ??= this.#busy.then(async () => {
      // Clients can have it called as often as they think of a new lane.
      const pause = this.#lookedAt + (this.by.pauseMs ?? PAUSE_MS) - performance.now();
      if (pause > 0) await sleep(pause, undefined, { signal }).catch(() => {});
      this.#next = null;
      this.#lookedAt = performance.now();
      this.#busy = this.#look(signal);
      return this.#busy;
    });
    return this.#next;
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { queues, worker, log } = this.by;
    try {
      if (signal.aborted || queues.redis.status !== 'ready' || !(await leads(queues.redis, worker))) return;
      await this.#forgetGone();
      const { reschedule, process_results } = this.by.settings;
      const repaired = await reconcile(
        {
          store: this.by.tasks,
          queues,
          places: this.#places,
          endLost: (lease, next, why) => this.#endLost(lease, next, why),
          reschedule,
          process: process_results,
        },
        signal,
      );
      tell(repaired, log);
      this.by.onRepaired(repaired);
      await this.by.machines.forget(new Date(Date.now() - FORGET_MACHINES_MS));
      await this.#refuseImpossible();
      await queues.lanes.tidy();
    } catch (error) {
      if (!signal.aborted) log('warn', `not reconciled: ${reason(error)}`, { stage: 'reconcile' });
    }
  }

  /** Workers that are gone have no row any more: what they ran is abandoned. */
  async #forgetGone(): Promise<void> {
    const { workers, machines, queues, log } = this.by;
    const all = await workers.list();
    const gone = new Set(this.#liveness.gone(all));
    gone.delete(this.by.worker);
    for (const { id, name } of all.filter((row) => gone.has(row.id))) {
      log('warn', `worker ${name} is gone (${id}): what it ran goes on elsewhere`, { stage: 'reconcile' });
      await machines.abandon(id, 'its worker is gone');
    }
    await workers.remove([...gone]);
    await keepWorkers(
      queues.redis,
      all.map(({ id }) => id).filter((id) => !gone.has(id)),
    );
  }

  async #endLost(
    { id, epoch, avoid = [] }: Lease,
    next: 'pending' | 'failed_analysis',
    why: string,
  ): Promise<boolean> {
    const outcome = 'worker_lost';
    const { help } = ERRORS.WORKER_LOST;
    const message = next === 'pending' ? `${why}; it runs again` : `${why} [WORKER_LOST] ${help}`;
    const errors = [{ action: 'WORKER_LOST', message }];
    return this.by.tasks.runs.end(
      id,
      epoch,
      next === 'pending' ? { to: next, outcome, avoid, errors } : { to: next, outcome, errors },
    );
  }

  /** A task that no machine of the lab can serve, free or not, would wait for ever: it fails, and says why. */
  async #refuseImpossible(): Promise<void> {
    const { queues, machines, tasks, log } = this.by;
    const waiting = (await queues.lanes.depths()).filter((lane) => lane.waiting > 0);
    if (waiting.length === 0) return;
    const all = (await machines.list()).map(toMachine);
    if (all.length === 0) return;
    for (const { lane, oldestMs } of waiting) {
      const wants = wantsOf(lane);
      if (oldestMs === null || oldestMs < this.by.settings.patience * 1000) continue;
      if (all.some((machine) => serves(machine, wants))) continue;
      const { help } = ERRORS.NO_MATCHING_MACHINE;
      const message = `no machine of this lab ${wanted(wants)} [NO_MATCHING_MACHINE] ${help}`;
      for (const { id, waitedMs } of await queues.lanes.tasksOf(lane, REFUSED_AT_ONCE)) {
        if (waitedMs < this.by.settings.patience * 1000) continue;
        if (await tasks.refuse(id, 'NO_MATCHING_MACHINE', message))
          log('warn', message, { task: id, code: 'NO_MATCHING_MACHINE' });
        await queues.lanes.remove(id);
      }
    }
  }
}

function tell(repaired: Repaired, log: Log): void {
  if (Object.values(repaired).every((ids: readonly number[]) => ids.length === 0)) return;
  log('warn', 'repaired what a crash left', { ...repaired, stage: 'reconcile' });
}
