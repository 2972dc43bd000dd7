import { reason } from '#domain/errors.js';
import type { MachinePool } from '#machinery/pool.js';
import { HEARTBEAT_MS } from '#queue/liveness.js';
import type { Machines } from '#storage/machines.js';
import type { Tasks } from '#storage/tasks.js';
import type { Workers } from '#storage/workers.js';
import type { Log } from '../log.js';
import type { Dispatcher } from './dispatcher.js';

export interface PresenceOptions {
  readonly worker: string;
  readonly workers: Workers;
  readonly tasks: Tasks;
  readonly machines: Machines;
  readonly pool: Pick<MachinePool, 'setEnabled' | 'states'>;
  readonly dispatcher: Dispatcher;
  /** Says again who this worker is and what it has: its row is gone. */
  readonly register: () => Promise<void>;
  readonly log: Log;
}

/**
 * Gives this worker's sign of life, and makes of what the database says what is so here: runs that were taken away
 * end, rows without a run are given back, machines are enabled or not as an operator wants, and a drain begins.
 */
export class Presence {
  /** Rows of ours without a run, and since when we know. */
  readonly #orphans = new Map<string, number>();
  #looking: Promise<void> | null = null;
  #asked = 0;

  constructor(private readonly by: PresenceOptions) {}

  /** Looks now, or once more when a look is under way. Never rejects. */
  async look(): Promise<void> {
    this.#asked += 1;
    this.#looking ??= this.#lookUntilCurrent().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #lookUntilCurrent(): Promise<void> {
    let asked: number;
    do {
      asked = this.#asked;
      await this.#look().catch((error: unknown) =>
        this.by.log('warn', `no sign of life given: ${reason(error)}`, { stage: 'heartbeat' }),
      );
    } while (asked !== this.#asked);
  }

  async #look(): Promise<void> {
    const { worker, workers, dispatcher, machines, pool, log } = this.by;
    const wish = await workers.beat(worker, dispatcher.paused);
    if (wish === null) {
      log('warn', 'this worker was taken for gone: it registers again', { stage: 'heartbeat' });
      await this.by.register();
    }
    await this.#compareRuns();
    const disabled = new Set(await machines.disabled(worker));
    for (const { machine } of pool.states()) pool.setEnabled(machine.name, !disabled.has(machine.name));
    if (wish?.draining === true) dispatcher.drain();
  }

  async #compareRuns(): Promise<void> {
    const { worker, tasks, dispatcher, log } = this.by;
    const held = dispatcher.runs();
    const rows = await tasks.runs.of(worker);
    dispatcher.lose(held.filter(({ task, epoch }) => rows.get(task.id) !== epoch));

    const running = new Map(dispatcher.runs().map(({ task, epoch }) => [task.id, epoch]));
    const orphans = [...rows].filter(([id, epoch]) => running.get(id) !== epoch);
    const seen = new Set(orphans.map(([id, epoch]) => `${id}/${epoch}`));
    for (const key of this.#orphans.keys()) if (!seen.has(key)) this.#orphans.delete(key);
    const now = performance.now();
    for (const [id, epoch] of orphans) {
      const key = `${id}/${epoch}`;
      const since = this.#orphans.get(key) ?? now;
      this.#orphans.set(key, since);
      if (now - since < HEARTBEAT_MS) continue; // it may just have been claimed, or just have ended
      log('warn', 'nobody here runs it any more: it is given back', { task: id });
      await tasks.runs.end(id, epoch, { to: 'pending', outcome: 'worker_lost' });
    }
  }
}
