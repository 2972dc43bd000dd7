import { MACHINE_STATES } from '#domain/machine.js';
import type { WorkerRow } from '#storage/entities/worker.entity.js';
import { VERSION } from '../../version.js';
import { isAlive, type FleetMachine, type FleetNow } from './fleet.js';
import type { ByState, WorkerView } from './workers-schema.js';

export function workerViews({ machines, workers }: FleetNow): WorkerView[] {
  return workers.map((worker) =>
    workerView(
      worker,
      machines.filter(({ row }) => row.worker === worker.id),
    ),
  );
}

export function byState(machines: readonly FleetMachine[]): ByState {
  const counts = new Map<string, number>();
  for (const { state } of machines) counts.set(state, (counts.get(state) ?? 0) + 1);
  return Object.fromEntries(MACHINE_STATES.map((state) => [state, counts.get(state) ?? 0])) as ByState;
}

function workerView(worker: WorkerRow, machines: readonly FleetMachine[]): WorkerView {
  const { id, name, host, version, startedOn, heartbeatOn, paused, draining } = worker;
  return {
    ...{ id, name, host, version },
    same_version: version === VERSION,
    started_on: startedOn.toISOString(),
    heartbeat_on: heartbeatOn.toISOString(),
    // Clocks of several hosts differ a little.
    silent_seconds: Math.max(0, Math.round((Date.now() - heartbeatOn.getTime()) / 1000)),
    alive: isAlive(worker),
    ...{ paused, draining },
    machines: byState(machines),
  };
}
