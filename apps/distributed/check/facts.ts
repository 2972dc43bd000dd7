import { reason } from '#domain/errors.js';
import type { NodeMachine, NodeStatus } from '#nodes/node.js';
import { z } from 'zod';
import { fail, ok, skipped, warn, type Verdict } from '../../verdict.js';
import type { Answer } from './ask.js';
import { compareMachines } from './compare-machines.js';
import { mend } from './mend.js';
import type { Patient, Tell } from './patient.js';
import { count, duration } from './words.js';

/** Seconds that its clock may differ from ours: when a task began is told by the node's. */
const CLOCKS_S = 60;
/** Bytes: Cuckoo stops at 1 GiB by itself, and a memory dump is as large as its machine's memory. */
const LOW_DISK = 4 * 1024 ** 3;
/** Calls one after another that its pace is taken from. */
const CALLS = 5;
/** Milliseconds: each look at it takes that long. */
const SLOW_MS = 2_000;

/** What it says of itself. The machines; null when they cannot be known. */
export async function lookAtFacts(
  patient: Patient,
  answer: Answer,
  tell: Tell,
  signal: AbortSignal,
): Promise<readonly NodeMachine[] | null> {
  await pace(patient, tell, signal);
  tell('clock', clock(answer, Date.now()));
  return await machines(patient, tell, signal);
}

async function pace({ client }: Patient, tell: Tell, signal: AbortSignal): Promise<void> {
  const took: number[] = [];
  let status: NodeStatus | null = null;
  try {
    while (took.length < CALLS) {
      const began = performance.now();
      status = await client.status(signal);
      took.push(performance.now() - began);
    }
  } catch (error) {
    signal.throwIfAborted();
    tell('status', fail(reason(error), mend(error)));
  }
  if (status === null) return;
  if (took.length === CALLS) tell('status', work(status));
  const disk = diskSpace(status);
  if (disk !== null) tell('disk space', disk);
  tell('pace', paceOf(took));
}

function work({ machines, tasks }: NodeStatus): Verdict {
  return ok(
    `${machines.available} of ${count(machines.total, 'machine')} free; ${count(tasks.pending, 'task')} waiting, ${tasks.running} running, ${tasks.reported} reported`,
  );
}

const folder = z.object({ free: z.number(), total: z.number() });
const disks = z.object({ diskspace: z.object({ analyses: folder }) });
/** CAPE's, in GiB. */
const server = z.object({ server: z.object({ storage: folder }) });

/** Null: it does not say. */
export function diskSpace({ raw }: Pick<NodeStatus, 'raw'>): Verdict | null {
  const cuckoo = disks.safeParse(raw).data?.diskspace.analyses.free;
  const cape = server.safeParse(raw.data ?? raw).data?.server.storage.free;
  const free = cuckoo ?? (cape === undefined ? undefined : cape * 1024 ** 3);
  if (free === undefined) return null;
  const found = `${(free / 1024 ** 3).toFixed(1)} GiB are free for its analyses`;
  if (free >= LOW_DISK) return ok(found);
  return warn(
    found,
    'free some there: delete old analyses on the node (`malkoha task delete ID`, `cuckoo clean`), or give it a larger disk; it takes no tasks without',
  );
}

export function paceOf(took: readonly number[]): Verdict {
  const [middle = 0, slowest = 0] = [Math.floor(took.length / 2), took.length - 1].map(
    (at) => [...took].sort((a, b) => a - b)[at],
  );
  const each = `${took.length} calls, ${duration(middle)} each, the slowest ${duration(slowest)}`;
  if (middle < SLOW_MS)
    return ok(`${each}: ${Math.max(1, Math.floor(1000 / Math.max(middle, 1)))} a second, one after another`);
  return warn(
    each,
    'is the node overloaded, or the line to it slow? `uptime` there, `ping` from here; fewer machines there are more together',
  );
}

/** By the Date header, which has whole seconds. */
export function clock({ headers: { date }, ms }: Pick<Answer, 'headers' | 'ms'>, now: number): Verdict {
  const theirs = Date.parse(date ?? '');
  if (Number.isNaN(theirs)) return skipped('its answers have no Date header');
  // The answer was made at some time in the last `ms`.
  const ahead = (theirs + 500 - (now - ms / 2)) / 1000;
  const seconds = Math.round(Math.abs(ahead));
  if (seconds <= CLOCKS_S) return ok(`agrees with ours within ${Math.max(1, seconds)} s`);
  return warn(
    `it is ${seconds} s ${ahead > 0 ? 'ahead of' : 'behind'} ours: times of reports will not agree`,
    'synchronise both hosts: apt-get install systemd-timesyncd (or chrony), then `timedatectl`',
  );
}

async function machines(
  { node, client, options }: Patient,
  tell: Tell,
  signal: AbortSignal,
): Promise<readonly NodeMachine[] | null> {
  let found;
  try {
    found = (await client.machines(signal)).machines;
  } catch (error) {
    signal.throwIfAborted();
    tell('machines', fail(reason(error), mend(error)));
    return null;
  }
  if (found.length === 0) {
    const fix =
      'set up a machine there: `malkoha up` makes some, `malkoha machine add` takes one of yours; Cuckoo and CAPE have them in conf/<machinery>.conf; then start the node again';
    tell('machines', fail('it has none, so it can analyse nothing', fix));
    return null;
  }
  tell('machines', ok(platforms(found)));
  if (options.machines !== null) tell('machines known', compareMachines(node.name, options.machines, found));
  return found;
}

/** `3: linux 2 (amd64), windows 1; 1 of them only by name`. */
function platforms(machines: readonly NodeMachine[]): string {
  const kinds = new Map<string, NodeMachine[]>();
  for (const machine of machines)
    kinds.set(machine.platform, [...(kinds.get(machine.platform) ?? []), machine]);
  const each = [...kinds].map(([platform, of]) => {
    const archs = [...new Set(of.flatMap(({ arch }) => arch ?? []))];
    return `${platform} ${of.length}${archs.length === 0 ? '' : ` (${archs.join(', ')})`}`;
  });
  const reserved = machines.filter((machine) => machine.reserved).length;
  return `${machines.length}: ${each.join(', ')}${reserved === 0 ? '' : `; ${reserved} of them for tasks that name them only`}`;
}
