import { deadline } from '#domain/deadline.js';
import { reason, SandboxError } from '#domain/errors.js';
import { fail, ok, skipped, type Verdict } from '../../../verdict.js';
import { askAgent } from './agent.js';
import type { Patient } from './patient.js';
import { interfaceThere, reachAgent } from './reach-agent.js';
import { Ear, listenFor, sendBack } from './results.js';

/** Milliseconds; a hypervisor under load takes one minute. */
const START_MS = 180_000;
const STOP_MS = 60_000;

type Tell = (check: string, verdict: Verdict) => void;

/** Looks at one machine hop by hop, and stops at the first that fails: those after it would fail for the same reason. */
export async function machineHops(patient: Patient, signal: AbortSignal): Promise<readonly Verdict[]> {
  const verdicts: Verdict[] = [];
  const tell: Tell = (check, verdict) => void verdicts.push({ ...verdict, check });
  const there = await interfaceThere(patient);
  if (there !== null) tell('interface', there);
  const whole = there?.status !== 'fail' && (await whileOurs(patient, tell, signal));
  if (!whole) tell('the rest', skipped('not looked at: what comes after the first fault depends on it'));
  return verdicts;
}

/** In the order of an analysis: restored, its network set up, started. True when every hop was looked at. */
async function whileOurs(patient: Patient, tell: Tell, signal: AbortSignal): Promise<boolean> {
  try {
    return (await restores(patient, tell, signal)) && (await withNetwork(patient, tell, signal));
  } finally {
    await stops(patient, tell);
  }
}

async function withNetwork(patient: Patient, tell: Tell, signal: AbortSignal): Promise<boolean> {
  await using ear = new Ear();
  let network;
  try {
    network = await patient.openNetwork((stream) => ear.accept(stream));
  } catch (error) {
    signal.throwIfAborted();
    tell('its network', fail(reason(error), helpOf(error, 'mend what the message names')));
    return false;
  }
  try {
    return (await starts(patient, tell, signal)) && (await lookInside(patient, ear, tell, signal));
  } finally {
    await network[Symbol.asyncDispose]();
  }
}

async function restores({ machine, machinery }: Patient, tell: Tell, signal: AbortSignal): Promise<boolean> {
  const what = machine.snapshot === null ? 'its template' : `snapshot ${machine.snapshot}`;
  return await timed(signal, {
    work: (by) => machinery.prepare(machine, by),
    done: (time) => tell('restore', ok(`${what}, in ${time}`)),
    failed: (error) =>
      tell('restore', fail(`${what} is not restored: ${reason(error)}`, helpOf(error, BY_HAND))),
  });
}

async function starts({ machine, machinery }: Patient, tell: Tell, signal: AbortSignal): Promise<boolean> {
  return await timed(signal, {
    work: (by) => machinery.start(machine, by),
    done: (time) => tell('start', ok(`runs after ${time}`)),
    failed: (error) => tell('start', fail(`it does not start: ${reason(error)}`, helpOf(error, BY_HAND))),
  });
}

const BY_HAND =
  'start it by hand from that snapshot in its hypervisor and mend what that says; then run this again';

interface Step {
  readonly work: (signal: AbortSignal) => Promise<void>;
  readonly done: (time: string) => void;
  readonly failed: (error: unknown) => void;
}

/** Did it work, within the time of a slow hypervisor? */
async function timed(signal: AbortSignal, { work, done, failed }: Step): Promise<boolean> {
  using limit = deadline(START_MS, signal);
  const began = performance.now();
  try {
    await work(limit.signal);
    done(ms(performance.now() - began));
    return true;
  } catch (error) {
    signal.throwIfAborted();
    failed(error);
    return false;
  }
}

async function lookInside(patient: Patient, ear: Ear, tell: Tell, signal: AbortSignal): Promise<boolean> {
  if (patient.options.includes('noagent')) {
    tell('agent', skipped('it has none: option noagent'));
    return true;
  }
  if (!(await reachAgent(patient, tell, signal))) return false;
  const info = await askAgent(patient, tell, signal);
  if (info === null) return false;
  const deaf = await listenFor(patient, ear);
  if (deaf !== null) tell('result server', deaf);
  else await sendBack(patient, info, ear, tell, signal);
  return true;
}

/** Whatever happened before, and also when nobody waits any more. */
async function stops({ machine, machinery, stopped }: Patient, tell: Tell): Promise<void> {
  const began = performance.now();
  try {
    await machinery.stop(machine, AbortSignal.timeout(STOP_MS));
    stopped();
    const state = await machinery.state(machine);
    if (state === 'off') tell('stop', ok(`off after ${ms(performance.now() - began)}`));
    else tell('stop', fail(`it was stopped and is ${state}`, 'power it off by hand in its hypervisor'));
  } catch (error) {
    tell(
      'stop',
      fail(`it does not stop: ${reason(error)}`, helpOf(error, 'power it off by hand in its hypervisor')),
    );
  }
}

/** What the table of errors says to do, where that is more than to read the message. */
function helpOf(error: unknown, otherwise: string): string {
  if (!(error instanceof SandboxError) || error.code === 'MACHINE_START_FAILED') return otherwise;
  // Its help speaks of a command that the message ends with.
  return error.code === 'SETUP_MISSING' ? 'do what the message says, then run this again' : error.help;
}

function ms(time: number): string {
  return time < 10_000 ? `${Math.round(time)} ms` : `${(time / 1000).toFixed(1)} s`;
}
