import { expect } from '@jest/globals';
import { MAX_ATTEMPTS } from '#domain/task.js';
import type { Taken } from '#queue/lane-queue.js';
import type { RunEnding } from '#storage/runs.js';
import type { Claim } from '#storage/task-details.js';
import type { Dispatcher } from '../../apps/worker/dispatcher.js';
import { Presence } from '../../apps/worker/presence.js';
import type { ModelLab } from './lab-model.js';
import { ON } from './task.js';

interface Run {
  readonly id: number;
  readonly epoch: number;
  readonly claim: Claim;
}

/** A worker process as the others see it: its sign of life, if the reconciler has looked at it, and since when. */
export interface ModelProcess {
  readonly id: string;
  /** When the reconciler first saw its latest sign of life; null: not yet. */
  seenAt: number | null;
}

export type Ending = 'complete' | 'fail' | 'again' | 'hand back';

/** A host whose worker process does what the test says: also what none should do, having lost its task. */
export class ModelHost {
  /** Tasks taken from their lanes and not claimed yet. */
  readonly #hand: Taken[] = [];
  runs: Run[] = [];
  /** All that ever ran here; the last one is the present one. */
  readonly processes: ModelProcess[] = [];
  #presence: Presence | null = null;

  constructor(
    readonly name: string,
    private readonly lab: ModelLab,
  ) {}

  get worker(): string {
    return `elsewhere/${this.name}/${this.processes.length}`;
  }

  /** A process begins. */
  async begin(): Promise<void> {
    this.processes.push({ id: `elsewhere/${this.name}/${this.processes.length + 1}`, seenAt: null });
    const { tasks, workers, machines } = this.lab;
    const register = () =>
      workers.register({ id: this.worker, name: this.name, host: 'elsewhere', version: '1' });
    await register();
    this.#presence = new Presence({
      ...{ worker: this.worker, workers, tasks, machines, register },
      pool: { states: () => [], setEnabled: () => {} },
      dispatcher: this.#dispatcher(),
      log: (_level, message) => expect(message).not.toMatch('no sign of life'),
    });
  }

  /** The process ends without a word, and another one begins. */
  async crash(): Promise<void> {
    this.runs = [];
    this.#hand.length = 0;
    await this.begin();
  }

  async look(): Promise<void> {
    await this.#presence?.look();
    const process = this.processes.at(-1);
    if (process !== undefined) process.seenAt = null;
    const held = this.runs.map(({ id, epoch }) => `${id}/${epoch}`);
    await this.lab.compare((id, before, after) => {
      // A row of its own that nobody here runs.
      expect({ from: before.status, to: after.status, worker: before.worker }).toEqual({
        ...{ from: 'running', to: 'pending', worker: this.worker },
      });
      expect(held).not.toContain(`${id}/${before.epoch}`);
    });
  }

  async take(): Promise<boolean> {
    const taken = await this.lab.queues.lanes.take(() => true);
    if (taken !== null) this.#hand.push(taken);
    return taken !== null;
  }

  /** `isTold` false: the database claims it, but the answer is lost, and the task is put back. */
  async claim(isTold: boolean): Promise<void> {
    const taken = this.#hand.shift();
    if (taken === undefined) return;
    const task = this.lab.rules.get(taken.id);
    const may = task?.status === 'pending' && task.attempt < MAX_ATTEMPTS;
    const claim = await this.lab.tasks.runs.claim(taken.id, this.worker, ON);
    expect(claim !== null).toBe(may);
    if (claim !== null) {
      this.lab.claimed(taken.id, claim.epoch, this.worker);
      expect(claim.attempt).toBe(this.lab.rules.get(taken.id)?.attempt);
      if (isTold) this.runs.push({ id: taken.id, epoch: claim.epoch, claim });
    }
    if (!isTold) await this.lab.queues.lanes.putBack(taken, 1000);
  }

  /** Ends its oldest run; `isQueued` false: the process is stopped before it has told the queue. */
  async end(how: Ending, isQueued: boolean): Promise<void> {
    const run = this.runs.shift();
    if (run === undefined) return;
    const { lab } = this;
    const before = lab.rules.get(run.id);
    const owns = before?.status === 'running' && before.epoch === run.epoch;
    const ending = endingOf(how, run.claim);
    expect(await lab.tasks.runs.end(run.id, run.epoch, ending)).toBe(owns);
    if (!owns) return;
    const attempt = before.attempt - ('handedBack' in ending ? 1 : 0);
    lab.move(run.id, { status: ending.to, attempt, worker: null });
    if (!isQueued) return;
    const { task } = run.claim;
    if (ending.to === 'pending')
      await lab.queues.enqueueAnalysis(task, { at: 'front', delayMs: how === 'again' ? 1000 : 0 });
    if (ending.to === 'completed') await lab.queues.enqueueProcessing(task);
  }

  #dispatcher(): Dispatcher {
    const part: Pick<Dispatcher, 'runs' | 'lose' | 'drain' | 'paused'> = {
      paused: null,
      runs: () => this.runs.map(({ claim }) => claim),
      lose: (lost) => {
        this.runs = this.runs.filter(({ claim }) => !lost.includes(claim));
      },
      drain: () => {},
    };
    return part as Dispatcher;
  }
}

/** As apps/worker/analyst.ts has it: what failed by the host's fault is tried again while attempts are left. */
function endingOf(how: Ending, { attempt }: Claim): RunEnding {
  if (how === 'complete') return { to: 'completed', outcome: 'completed', route: 'none' };
  if (how === 'hand back') return { to: 'pending', handedBack: true };
  if (how === 'again' && attempt < MAX_ATTEMPTS)
    return { to: 'pending', outcome: 'vm_start_failed', avoid: [ON.name] };
  return { to: 'failed_analysis', outcome: 'guest_lost' };
}
