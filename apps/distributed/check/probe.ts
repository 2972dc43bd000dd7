import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { reason } from '#domain/errors.js';
import { NodeError } from '#nodes/error.js';
import type { NodeMachine, Work } from '#nodes/node.js';
import { plainWork } from '#nodes/plain-work.js';
import { fail, ok, skipped } from '../../verdict.js';
import { fetchReports } from './fetch-reports.js';
import { followTask } from './follow-task.js';
import { mend } from './mend.js';
import { harmlessFor, pickMachine } from './harmless.js';
import type { Patient, Tell } from './patient.js';
import { removeProbe } from './remove-probe.js';
import { duration } from './words.js';

/** Seconds a sample may run that needs none. */
const RUN_S = 15;
/** Cuckoo's highest: somebody waits for it. */
const PRIORITY = 3;

/** Submits a harmless file, follows it, fetches its reports; whatever happens, removes it from the node. */
export async function probe(
  patient: Patient,
  machines: readonly NodeMachine[],
  tell: Tell,
  signal: AbortSignal,
): Promise<void> {
  const machine = pickMachine(machines);
  if (machine === null) return;
  const folder = await mkdtemp(join(tmpdir(), 'malkoha-check-'));
  const mark = `dist:check-${randomBytes(12).toString('hex')}`;
  let submitted: Submitted = { id: null, maybe: false };
  try {
    const work = await prepare(machine, mark, folder);
    submitted = await submit(patient, work, tell, signal);
    signal.throwIfAborted();
    const { id } = submitted;
    if (id === null) tell('reports', skipped('not fetched: there is no task'));
    else if (await followTask(patient, id, tell, signal))
      await fetchReports(patient, id, folder, tell, signal);
    else tell('reports', skipped('not fetched: there are none of a task that did not come to its end'));
  } finally {
    await rm(folder, { recursive: true, force: true });
    if (submitted.maybe) await removeProbe(patient, { id: submitted.id, mark }, tell);
  }
}

async function prepare(machine: NodeMachine, mark: string, folder: string): Promise<Work> {
  const { target, content } = harmlessFor(machine.platform);
  const file = content === null ? null : join(folder, target);
  if (file !== null && content !== null) await writeFile(file, content);
  return plainWork({
    ...{ mark, file, target, timeout: RUN_S, priority: PRIORITY, platform: machine.platform },
    machine: machine.reserved ? (machine.label ?? machine.name) : null,
  });
}

interface Submitted {
  readonly id: number | null;
  /** It is on the node, or may be. */
  readonly maybe: boolean;
}

async function submit({ client }: Patient, work: Work, tell: Tell, signal: AbortSignal): Promise<Submitted> {
  const began = performance.now();
  try {
    const id = await client.submit(work, signal);
    const took = duration(performance.now() - began);
    tell(
      'submission',
      ok(`${work.target} is task ${id} there, after ${took}; it waits for a ${work.platform} machine`),
    );
    return { id, maybe: true };
  } catch (error) {
    const maybe = signal.aborted || (error instanceof NodeError && error.unclear);
    if (!signal.aborted)
      tell('submission', fail(`it does not take ${work.target}: ${reason(error)}`, mend(error)));
    return { id: null, maybe };
  }
}
