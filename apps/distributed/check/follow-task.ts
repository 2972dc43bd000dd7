import { setTimeout as sleep } from 'node:timers/promises';
import { deadline } from '#domain/deadline.js';
import { reason } from '#domain/errors.js';
import { quoted } from '#domain/quoted.js';
import type { RemoteTask } from '#nodes/node.js';
import { fail, ok, warn, type Verdict } from '../../verdict.js';
import { mend } from './mend.js';
import type { Patient, Tell } from './patient.js';
import { count, duration } from './words.js';

/** Milliseconds between two looks: at first, and at most. */
const POLL_MS = { first: 100, most: 2_000 } as const;

/** True when it has its report. */
export async function followTask(
  patient: Patient,
  id: number,
  tell: Tell,
  signal: AbortSignal,
): Promise<boolean> {
  const { client, options } = patient;
  using within = deadline(options.timeoutS * 1000, signal);
  const began = performance.now();
  let last: RemoteTask | null = null;
  try {
    for (let wait: number = POLL_MS.first; ; wait = Math.min(2 * wait, POLL_MS.most)) {
      last = await client.view(id, within.signal);
      if (last === null) {
        tell('analysis', fail(`it no longer has task ${id}`, LOST));
        return false;
      }
      const end = ended(last, duration(performance.now() - began));
      if (end !== null) {
        tell('analysis', end);
        return end.status === 'ok';
      }
      await sleep(wait, undefined, { signal: within.signal });
    }
  } catch (error) {
    signal.throwIfAborted();
    if (within.signal.aborted) tell('analysis', await late(patient, last?.status ?? 'pending', signal));
    else tell('analysis', fail(`its task ${id} cannot be looked at any more: ${reason(error)}`, mend(error)));
    return false;
  }
}

const LOST =
  'does somebody, or a clean-up on the node, delete its tasks? Tasks must stay until their reports are fetched';

/** Null: not yet. */
export function ended({ id, status, reason: said }: RemoteTask, time: string): Verdict | null {
  if (status === 'reported') return ok(`task ${id} is reported after ${time}`);
  if (!status.startsWith('failed')) return null;
  const why = said === null ? 'it does not say why' : quoted(said);
  return fail(
    `task ${id} ended as ${quoted(status)} after ${time}: ${why}`,
    status === 'failed_analysis'
      ? 'does a machine there start, and its agent answer? On the node: `malkoha doctor`, or the log of cuckoo with `-d`'
      : `the log of its processing says why: on the node \`malkoha process ${id}\`, \`cuckoo process -r ${id}\`, or CAPE's process.py -r ${id}`,
  );
}

/** Its time is over. What a busy node does not get to is no fault. */
async function late({ client, options }: Patient, status: string, signal: AbortSignal): Promise<Verdict> {
  const time = count(options.timeoutS, 'second');
  const more = `give it more time: --timeout ${options.timeoutS * 4}`;
  if (status === 'running')
    return fail(`it still runs after ${time}`, `${more}; does the sample's machine hang?`);
  if (status !== 'pending')
    return fail(
      `its analysis is done, and no report is made of it after ${time}: it is ${quoted(status)}`,
      `does processing run there? \`malkoha up\`, \`cuckoo process\`, or CAPE's process.py auto; or ${more}`,
    );
  try {
    const { machines, tasks } = await client.status(signal);
    if (machines.available === 0)
      return warn(
        `it still waits after ${time}: of ${count(machines.total, 'machine')} none is free; ${count(tasks.pending, 'task')} waiting there`,
        `the node is busy, not broken; ${more}`,
      );
    return fail(
      `it still waits after ${time}, though ${machines.available} of ${count(machines.total, 'machine')} are free`,
      "does the sandbox run beside its API? `malkoha up`, `cuckoo -d`, or CAPE's cuckoo.py; `malkoha task explain ID` there says what a task waits for",
    );
  } catch (error) {
    signal.throwIfAborted();
    return fail(`it still waits after ${time}, and the node does not answer: ${reason(error)}`, mend(error));
  }
}
