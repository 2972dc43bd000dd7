import type { Process, Report } from '#domain/report.js';
import { clip, timestamp } from '../../text.js';
import { first } from '../maec/choose.js';
import type { Actions } from './actions.js';
import type { Traffic } from './network.js';
import { commandLine } from './observables.js';
import { append, nonEmpty, type PackageBuilder } from './package.js';

const PROCESSES = 1000;

/** What a process did is in its node; 0 is a root's place, the others follow in order of their start. */
interface TreeNode {
  readonly process_ref: string;
  readonly ordinal_position: number;
  readonly initiated_action_refs: readonly string[] | undefined;
}

export interface Processes {
  readonly tree: readonly TreeNode[];
  /** Actions of no process that is in the tree. */
  readonly otherActions: readonly string[];
}

/** Process objects, and the instance's process tree with the actions each process initiated. */
export function addProcesses(
  { behavior }: Report,
  actions: Actions,
  traffic: Traffic,
  to: PackageBuilder,
): Processes {
  const all = first(behavior?.processes ?? [], PROCESSES, 'processes', to.notes);
  const known = new Set(all.map(({ procid }) => procid));
  const children = new Map<number, number[]>();
  for (const { procid, parent_procid: parent } of all) {
    if (parent !== null) append(children, parent, procid);
  }
  // Numbers are given before the objects are made: parents and children point to each other.
  const refs = to.observables.reserve(all.length);
  const refOf = new Map(all.map(({ procid }, i) => [procid, refs[i] ?? '']));
  const ref = (procid: number): string => refOf.get(procid) ?? '';

  const tree = all.map((process, i) => {
    const parent = process.parent_procid;
    const hasParent = parent !== null && known.has(parent);
    to.observables.fill(ref(process.procid), {
      ...facts(process),
      binary_ref: process.process_path === null ? undefined : to.observables.path(process.process_path),
      parent_ref: hasParent ? ref(parent) : undefined,
      child_refs: nonEmpty((children.get(process.procid) ?? []).map(ref)),
      opened_connection_refs: traffic.ofProcess.get(process.procid),
    });
    return {
      process_ref: ref(process.procid),
      ordinal_position: hasParent ? i : 0,
      initiated_action_refs: nonEmpty([
        ...(actions.ofProcess.get(process.procid) ?? []),
        ...(traffic.actions.get(process.procid) ?? []),
      ]),
    };
  });
  const others = [...actions.ofProcess, ...traffic.actions].filter(([procid]) => !known.has(procid));
  return { tree, otherActions: others.flatMap(([, ids]) => ids) };
}

function facts(process: Process) {
  return {
    type: 'process',
    pid: process.pid,
    name: clip(process.process_name, 255),
    ...commandLine(process.command_line),
    created: timestamp(process.first_seen),
  };
}
