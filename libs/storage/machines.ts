import { In, LessThan, Not, type DataSource, type EntityManager } from 'typeorm';
import { SandboxError } from '#domain/errors.js';
import type { Machine, MachineState, Platform } from '#domain/machine.js';
import { MachineRow } from './entities/machine.entity.js';
import { transaction, write } from './turns.js';

/** A machine as its worker knows it. */
export interface RegisteredMachine extends Machine {
  /** Kind of machinery. */
  readonly manager?: string;
  readonly interface?: string | null;
  readonly options?: readonly string[];
}

/** What a worker that registers knows of others, by their ids. */
export interface OtherWorkers {
  readonly isGone: (worker: string) => boolean;
  /** A process of the same worker, before this one. */
  readonly isBefore: (worker: string) => boolean;
}

/** What may change while a worker has it. */
export interface MachineChange {
  /** The hypervisor's word: running, poweroff, saved … */
  readonly status?: string;
  readonly locked?: boolean;
  readonly state?: MachineState;
  readonly reason?: string | null;
  readonly retryOn?: Date | null;
}

/** Machines of one lab need different names. */
export class MachineNameTaken extends SandboxError {
  /** Id of the worker that has the machine. */
  readonly worker: string;

  constructor({ name, worker }: MachineRow) {
    const message =
      `a machine named ${name} is there already, of the worker ${worker}: machines of one lab need different names; ` +
      'start this worker with another --name, or rename the machine';
    super('CONFIG_INVALID', message);
    this.worker = worker;
  }
}

/** What the API shows of the machines; workers write it. Ids, and whether one is enabled, stay over restarts. */
export class Machines {
  constructor(private readonly db: DataSource) {}

  /**
   * The machines of this worker, all free. Those that it, or the process before it, had and it has not go. Those of
   * other workers stay, gone or not: tasks may wait for them.
   *
   * @throws CONFIG_INVALID when a living worker has one of the same name
   */
  async register(
    worker: string,
    machines: readonly RegisteredMachine[],
    { isGone, isBefore }: OtherWorkers = { isGone: () => false, isBefore: () => false },
  ): Promise<void> {
    await transaction(this.db, async (db) => {
      const names = machines.map((machine) => machine.name);
      for (const machine of machines) await insertOnce(db, { ...columns(machine), worker });
      const taken = await db.findBy(MachineRow, { name: In(names) });
      const other = taken.find((row) => row.worker !== worker && !isGone(row.worker));
      if (other !== undefined) throw new MachineNameTaken(other);
      for (const machine of machines)
        await db.update(MachineRow, { name: machine.name }, { ...columns(machine), worker });
      const others = await db.findBy(MachineRow, { name: Not(In(names)) });
      const dropped = others.filter((row) => row.worker === worker || isBefore(row.worker));
      if (dropped.length > 0) await db.delete(MachineRow, { id: In(dropped.map((row) => row.id)) });
    });
  }

  async update(name: string, change: MachineChange): Promise<void> {
    await this.updateAll(new Map([[name, change]]));
  }

  async updateAll(changes: ReadonlyMap<string, MachineChange>): Promise<void> {
    const now = new Date();
    await transaction(this.db, async (db) => {
      for (const [name, change] of changes) {
        const when = {
          ...(change.status !== undefined && { statusChangedOn: now }),
          ...(change.locked !== undefined && { lockedChangedOn: now }),
        };
        await db.update(MachineRow, { name }, { ...change, ...when });
      }
    });
  }

  /** Nobody has the machines of this worker now; their rows stay, for the worker that comes after it. */
  async abandon(worker: string, reason: string): Promise<void> {
    const change = { state: 'disabled', locked: false, status: 'poweroff', reason, retryOn: null } as const;
    const now = { statusChangedOn: new Date() };
    await write(this.db, (db) => db.update(MachineRow, { worker }, { ...change, ...now }));
  }

  /** Machines that nobody has had since then are none of the lab any more. */
  async forget(since: Date): Promise<void> {
    await write(this.db, (db) =>
      db
        .createQueryBuilder()
        .delete()
        .from(MachineRow)
        .where({ statusChangedOn: LessThan(since) })
        .andWhere('worker NOT IN (SELECT id FROM workers)')
        .execute(),
    );
  }

  /** What the operator wants of it, whoever has it now; its worker follows. False: there is no such machine. */
  async setEnabled(name: string, enabled: boolean): Promise<boolean> {
    const { affected } = await write(this.db, (db) => db.update(MachineRow, { name }, { enabled }));
    return affected === 1;
  }

  async list(): Promise<MachineRow[]> {
    return this.db.manager.find(MachineRow, { order: { id: 'ASC' } });
  }

  /** Those of one worker that an operator has taken out. */
  async disabled(worker: string): Promise<string[]> {
    const rows = await this.db.manager.findBy(MachineRow, { worker, enabled: false });
    return rows.map((row) => row.name);
  }

  async find(name: string): Promise<MachineRow | null> {
    return this.db.manager.findOneBy(MachineRow, { name });
  }

  async counts(): Promise<{ readonly total: number; readonly available: number }> {
    const select = { id: true, locked: true, state: true } as const;
    const machines = await this.db.manager.find(MachineRow, { select });
    // One whose worker has ended is locked by nobody, and of no use.
    const available = machines.filter(({ locked, state }) => !locked && state !== 'disabled');
    return { total: machines.length, available: available.length };
  }
}

async function insertOnce(db: EntityManager, row: ReturnType<typeof columns> & { worker: string }) {
  await db
    .createQueryBuilder()
    .insert()
    .into(MachineRow)
    .values(row)
    .orIgnore()
    .updateEntity(false)
    .execute();
}

function columns(machine: RegisteredMachine) {
  const { name, label, platform, arch, reserved, tags, ip, resultServer, snapshot } = machine;
  return {
    name,
    label,
    platform,
    arch,
    reserved,
    tags: [...tags],
    ip,
    snapshot,
    manager: machine.manager ?? '',
    interface: machine.interface ?? null,
    options: [...(machine.options ?? [])],
    resultserverIp: resultServer.ip,
    resultserverPort: resultServer.port,
    locked: false,
    state: 'restoring' as const,
    reason: null,
    retryOn: null,
  };
}

/** The machine behind a row, for #domain's `serves`. */
export function toMachine(row: MachineRow): Machine {
  const { name, label, arch, reserved, tags, ip, snapshot, resultserverIp, resultserverPort } = row;
  const platform = row.platform as Platform; // only `register` writes it
  return {
    name,
    label,
    platform,
    arch,
    reserved,
    tags,
    ip,
    snapshot,
    resultServer: { ip: resultserverIp, port: resultserverPort },
  };
}
