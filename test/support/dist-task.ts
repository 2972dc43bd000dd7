import type { DataSource } from 'typeorm';
import type { DistTaskRow } from '#distribution/entities/dist-task.entity.js';
import type { NodeRow } from '#distribution/entities/node.entity.js';
import { Nodes } from '#distribution/nodes.js';
import type { DistState, DistSubmission } from '#distribution/task.js';
import type { DistStep, DistTasks } from '#distribution/tasks.js';
import { transaction } from '#storage/turns.js';
import { aSubmission } from './task.js';

/** A URL and nothing asked for; `changes` say what matters to the test. */
export function aDistSubmission(changes: Partial<DistSubmission> = {}): DistSubmission {
  const { submitter: _, ...submission } = aSubmission();
  return { ...submission, category: 'url', sha256: null, ...changes };
}

export async function addNode(db: DataSource, name: string): Promise<NodeRow> {
  const url = `http://${name}.test:8090/`;
  const node = { name, url, token: null, dialect: 'malkoha', mode: 'normal', enabled: true };
  const added = await new Nodes(db).add(node, []);
  if (!added) throw new Error(`there is a node ${name} already`);
  return added;
}

export function insertDistTask(
  db: DataSource,
  tasks: DistTasks,
  changes: Partial<DistSubmission> = {},
  nodeId: number | null = null,
): Promise<DistTaskRow> {
  return transaction(db, (one) => tasks.insert(one, aDistSubmission(changes), nodeId));
}

const WAY: readonly DistStep[] = ['assigned', 'sending', 'processing', 'fetching'];

/** Brings a pending task there by the usual way; its id on the node is 70 more than here. */
export async function bringDistTask(
  tasks: DistTasks,
  task: DistTaskRow,
  { to, nodeId }: { readonly to: DistState; readonly nodeId: number },
): Promise<DistTaskRow> {
  let at = task;
  for (const step of WAY.slice(0, WAY.indexOf(to as DistStep) + 1)) {
    const onNode = step === 'assigned' ? { nodeId } : {};
    const known = step === 'processing' ? { remoteId: 70 + task.id } : {};
    const moved = await tasks.move(at, step, { ...onNode, ...known });
    if (!moved) throw new Error(`not moved to ${step}`);
    at = moved;
  }
  return at;
}

/** What the test knows to be there. */
export function given<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error('there is none');
  return value;
}
