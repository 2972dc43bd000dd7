import { In, LessThan, Not, type DataSource, type EntityManager } from 'typeorm';
import type { OutcomeCode } from '#domain/outcome.js';
import { canMove, MAX_ATTEMPTS, type TaskStatus } from '#domain/task.js';
import { ErrorRow } from './entities/error.entity.js';
import { GuestRow, type GuestStatus } from './entities/guest.entity.js';
import { TaskRow } from './entities/task.entity.js';
import { readTasks } from './read-tasks.js';
import type { Claim } from './task-details.js';
import { transaction } from './turns.js';

/** Characters of one error message kept: some quote what a guest said. */
const MESSAGE_LIMIT = 16_384;

/** The machine a run has. */
export interface MachineOfRun {
  readonly name: string;
  readonly label: string;
  /** Kind of machinery. */
  readonly manager: string;
}

export interface RunError {
  /** A short word for programs, often an error code. */
  readonly action: string;
  /** For people. */
  readonly message: string;
}

/** How a run ends, and what its task is then. */
export type RunEnding = { readonly errors?: readonly RunError[] } & (
  | { readonly to: 'completed'; readonly outcome: OutcomeCode; readonly route: string }
  | { readonly to: 'failed_analysis'; readonly outcome: OutcomeCode }
  /** It is to run again, on none of the machines to `avoid` if there is another; those known before unless given. */
  | { readonly to: 'pending'; readonly outcome: OutcomeCode; readonly avoid?: readonly string[] }
  /** The worker ends before the run does: as if it had not begun. */
  | { readonly to: 'pending'; readonly handedBack: true }
);

/**
 * The runs of tasks on machines. Each is one worker's, by the epoch that its claim got: whoever lost it changes nothing
 * any more, neither here nor among the artefacts, which are kept by epoch.
 */
export class Runs {
  /** `onChange` hears of every status a task gets, once it is committed. */
  constructor(
    private readonly db: DataSource,
    private readonly onChange: (task: number, status: TaskStatus) => void = () => {},
  ) {}

  /**
   * pending → running for this worker, on this machine; null when the task is not pending (any more), or was begun too
   * often: then the reconciler ends it.
   */
  async claim(id: number, worker: string, machine: MachineOfRun): Promise<Claim | null> {
    const now = new Date();
    const won = await transaction(this.db, async (db) => {
      const { affected } = await db.update(
        TaskRow,
        { id, status: 'pending', attempt: LessThan(MAX_ATTEMPTS) },
        {
          status: 'running',
          worker,
          startedOn: now,
          completedOn: null,
          outcome: null,
          attempt: () => 'attempt + 1',
          epoch: () => 'epoch + 1',
        },
      );
      if (affected !== 1) return false;
      await putGuest(db, { taskId: id, ...machine, status: 'running', startedOn: now, shutdownOn: null });
      return true;
    });
    if (!won) return null;
    this.onChange(id, 'running');
    const found = (await readTasks(this.db.manager, [id])).get(id);
    if (found === undefined) return null;
    const { attempt, epoch, avoid } = found.lease;
    return { task: found.task, attempt, epoch, avoid };
  }

  /** The task leaves `running`, if this run still is its own. False: it is another's, or has ended. */
  async end(id: number, epoch: number, ending: RunEnding): Promise<boolean> {
    const { to } = ending;
    if (!canMove('running', to)) throw new TypeError(`a task never goes from running to ${to}`);
    const won = await transaction(this.db, async (db) => {
      const { affected } = await db.update(TaskRow, { id, epoch, status: 'running' }, columnsOf(ending));
      if (affected !== 1) return false;
      for (const error of ending.errors ?? []) await putError(db, id, error);
      const guest: GuestStatus = to === 'completed' || 'handedBack' in ending ? 'stopped' : 'failed';
      await db.update(GuestRow, { taskId: id }, { status: guest, shutdownOn: new Date() });
      return true;
    });
    if (won) this.onChange(id, to);
    return won;
  }

  /** The runs of one worker by its rows: task → epoch. */
  async of(worker: string): Promise<ReadonlyMap<number, number>> {
    const rows = await this.db.manager.find(TaskRow, {
      select: { id: true, epoch: true },
      where: { worker, status: 'running' },
    });
    return new Map(rows.map((row) => [row.id, row.epoch]));
  }

  /** The run of a task that was cancelled is over: its machine is off, and its folder nobody's. */
  async stopped(id: number): Promise<void> {
    const over = { status: 'stopped' as const, shutdownOn: new Date() };
    await transaction(this.db, async (db) => {
      await db.update(TaskRow, { id, status: Not('running') }, { worker: null });
      await db.update(GuestRow, { taskId: id, status: In(['running', 'stopping']) }, over);
    });
  }
}

function columnsOf(ending: RunEnding) {
  const free = { status: ending.to, worker: null } as const;
  if ('handedBack' in ending) return { ...free, startedOn: null, attempt: () => 'attempt - 1' };
  switch (ending.to) {
    case 'completed':
      return { ...free, completedOn: new Date(), outcome: ending.outcome, route: ending.route };
    case 'failed_analysis':
      return { ...free, completedOn: new Date(), outcome: ending.outcome };
    case 'pending':
      return {
        ...{ ...free, startedOn: null, outcome: ending.outcome },
        ...(ending.avoid && { avoid: ending.avoid }),
      };
  }
}

/** Inside a transaction, or alone. */
export async function putError(
  db: EntityManager,
  taskId: number,
  { action, message }: RunError | { readonly action: string | null; readonly message: string },
): Promise<void> {
  await db.insert(ErrorRow, {
    taskId,
    action,
    // PostgreSQL has no text with a NUL in it, and what is quoted may come from a guest.
    message: message.slice(0, MESSAGE_LIMIT).replaceAll('\0', '\ufffd'),
  });
}

/** The machine the task runs on; a second run replaces the first one's. */
async function putGuest(db: EntityManager, guest: Omit<GuestRow, 'id'>): Promise<void> {
  await db
    .createQueryBuilder()
    .insert()
    .into(GuestRow)
    .values(guest)
    .orUpdate(['name', 'label', 'manager', 'status', 'started_on', 'shutdown_on'], ['task_id'])
    .updateEntity(false)
    .execute();
}
