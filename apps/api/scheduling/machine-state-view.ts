import type { NotedTest } from '#queue/machine-notes.js';
import type { LaneDepth } from '#queue/lane-queue.js';
import type { FleetMachine } from './fleet.js';
import type { LaneView, MachineStateView, MachineTestView } from './machine-state-schema.js';

/** `tasks`: who has which machine, by its name. */
export function machineStateView(
  { row, worker, state, reason }: FleetMachine,
  tasks: ReadonlyMap<string, number>,
): MachineStateView {
  const { name, label, platform, arch, tags, reserved, manager, enabled } = row;
  return {
    ...{ name, label, platform, arch, tags, reserved, manager, state, enabled },
    since: row.statusChangedOn?.toISOString() ?? null,
    reason,
    next_test: state === 'quarantined' ? (row.retryOn?.toISOString() ?? null) : null,
    task_id: tasks.get(name) ?? null,
    worker: worker && { id: worker.id, name: worker.name, host: worker.host },
  };
}

export function laneView({ lane, waiting, oldestMs }: LaneDepth): LaneView {
  return { lane, waiting, oldest_seconds: oldestMs === null ? null : Math.round(oldestMs / 1000) };
}

export function machineTestView(id: string, { machine, askedOn, result }: NotedTest): MachineTestView {
  return {
    ...{ id, machine, asked_on: askedOn },
    result: result && { ok: result.failed === null, phases: result.phases, failed: result.failed },
  };
}
