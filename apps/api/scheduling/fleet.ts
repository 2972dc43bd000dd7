import { workerIsGone } from '#queue/worker-id.js';
import type { MachineRow } from '#storage/entities/machine.entity.js';
import type { WorkerRow } from '#storage/entities/worker.entity.js';
import type { Machines } from '#storage/machines.js';
import type { Workers } from '#storage/workers.js';
import { isAlive as isHeard } from '../health/checks.js';
import { cached, shared } from '../../http/shared.js';

/** Milliseconds that the machines of a submission may be old: a lab's machines change by the day. */
const RECENT_MS = 1_000;

/** Told of a machine whose worker is not there any more. */
const NO_WORKER = 'its worker has ended';

export interface FleetMachine {
  readonly row: MachineRow;
  /** A process has it. */
  readonly manned: boolean;
  /** That process; null also while it registers. */
  readonly worker: WorkerRow | null;
  readonly state: MachineRow['state'];
  readonly reason: string | null;
}

export interface FleetNow {
  readonly machines: readonly FleetMachine[];
  readonly workers: readonly WorkerRow[];
}

/** The machines of the lab and the workers that have them. */
export class Fleet {
  /** Never older than the question; those who ask at the same time share one look. */
  readonly now: () => Promise<FleetNow>;
  /** The rows alone, at most a second old. */
  readonly recent: () => Promise<readonly MachineRow[]>;

  constructor(
    private readonly machines: Machines,
    private readonly workers: Workers,
  ) {
    this.now = shared(() => this.#look());
    this.recent = cached(RECENT_MS, () => this.machines.list());
  }

  async #look(): Promise<FleetNow> {
    const [rows, workers] = await Promise.all([this.machines.list(), this.workers.list()]);
    const byId = new Map(workers.map((worker) => [worker.id, worker]));
    const machines = rows.map((row): FleetMachine => {
      const worker = byId.get(row.worker) ?? null;
      if (!isManned(row, worker))
        return { row, manned: false, worker: null, state: 'disabled', reason: NO_WORKER };
      return { row, manned: true, worker, state: row.state, reason: row.reason };
    });
    return { machines, workers };
  }
}

/** Gives signs of life, as far as is known here. */
export function isAlive(worker: WorkerRow): boolean {
  return !workerIsGone(worker.id) && isHeard(worker);
}

/** A worker that ends leaves its machines disabled, and then has no row any more. */
function isManned(row: MachineRow, worker: WorkerRow | null): boolean {
  return worker === null ? !workerIsGone(row.worker) && row.state !== 'disabled' : isAlive(worker);
}
