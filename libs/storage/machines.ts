import { In, Not, type DataSource, type EntityManager } from 'typeorm';
import type { Machine, Platform } from '#domain/machine.js';
import { MachineRow } from './entities/machine.entity.js';
import { transaction, write } from './turns.js';

/** A machine as its worker knows it. */
export interface MachineState extends Machine {
  readonly interface?: string | null;
  readonly options?: readonly string[];
}

/** What the API shows of the machines; workers write it. Ids stay the same over restarts. */
export class Machines {
  constructor(private readonly db: DataSource) {}

  /** The machines of this worker, all free. Those it does not have any more go, and those of workers that are gone. */
  async register(
    worker: string,
    machines: readonly MachineState[],
    isGone: (worker: string) => boolean = () => false,
  ): Promise<void> {
    await transaction(this.db, async (db) => {
      for (const machine of machines) await put(db, { ...columns(machine), worker });
      const names = machines.map((machine) => machine.name);
      const others = await db.findBy(MachineRow, { name: Not(In(names)) });
      const dropped = others.filter((row) => row.worker === worker || isGone(row.worker));
      if (dropped.length > 0) await db.delete(MachineRow, { id: In(dropped.map((row) => row.id)) });
    });
  }

  /** `status` is the hypervisor's word: running, poweroff, saved … */
  async update(name: string, change: { readonly status?: string; readonly locked?: boolean }): Promise<void> {
    const now = new Date();
    await write(this.db, (db) =>
      db.update(
        MachineRow,
        { name },
        {
          ...(change.status !== undefined && { status: change.status, statusChangedOn: now }),
          ...(change.locked !== undefined && { locked: change.locked, lockedChangedOn: now }),
        },
      ),
    );
  }

  async list(): Promise<MachineRow[]> {
    return this.db.manager.find(MachineRow, { order: { id: 'ASC' } });
  }

  async find(name: string): Promise<MachineRow | null> {
    return this.db.manager.findOneBy(MachineRow, { name });
  }

  async counts(): Promise<{ readonly total: number; readonly available: number }> {
    const machines = await this.db.manager.find(MachineRow, { select: { id: true, locked: true } });
    return { total: machines.length, available: machines.filter((machine) => !machine.locked).length };
  }
}

/** `upsert` would read the row back by an id that it does not learn when the machine was there before. */
async function put(
  db: EntityManager,
  row: Omit<MachineRow, 'id' | 'lockedChangedOn' | 'status' | 'statusChangedOn'>,
) {
  const { metadata } = db.getRepository(MachineRow);
  const changed = metadata.columns
    .filter((column) => column.propertyName in row && column.propertyName !== 'name')
    .map((column) => column.databaseName);
  await db
    .createQueryBuilder()
    .insert()
    .into(MachineRow)
    .values(row)
    .orUpdate(changed, ['name'])
    .updateEntity(false)
    .execute();
}

function columns(machine: MachineState) {
  const { name, label, platform, tags, ip, resultServer, snapshot } = machine;
  return {
    name,
    label,
    platform,
    tags: [...tags],
    ip,
    snapshot,
    interface: machine.interface ?? null,
    options: [...(machine.options ?? [])],
    resultserverIp: resultServer.ip,
    resultserverPort: resultServer.port,
    locked: false,
  };
}

/** The machine behind a row, for #domain's `serves`. */
export function toMachine(row: MachineRow): Machine {
  const { name, label, tags, ip, snapshot, resultserverIp, resultserverPort } = row;
  const platform = row.platform as Platform; // only `register` writes it
  return {
    name,
    label,
    platform,
    tags,
    ip,
    snapshot,
    resultServer: { ip: resultserverIp, port: resultserverPort },
  };
}
