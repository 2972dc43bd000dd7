import { deadline } from '#domain/deadline.js';
import { reason, SandboxError } from '#domain/errors.js';
import { fail, ok, skipped, type Verdict } from '../check.js';
import { askAgent } from './agent.js';
import type { Patient } from './patient.js';
import { interfaceThere, reachAgent } from './reach-agent.js';
import { Ear, listenFor, sendBack } from './results.js';

/** Milliseconds; a hypervisor under load takes one minute. */
const RESTORE_MS = 180_000;
const STOP_MS = 60_000;

type Tell = (check: string, verdict: Verdict) => void;

/** Looks at one machine hop by hop, and stops at the first that fails: those after it would fail for the same reason. */
export async function machineHops(patient: Patient, signal: AbortSignal): Promise<readonly Verdict[]> {
  const verdicts: Verdict[] = [];
  const tell: Tell = (check, verdict) => void verdicts.push({ ...verdict, check });
  const there = await interfaceThere(patient);
  if (there !== null) tell('interface', there);
  const whole = there?.status !== 'fail' && (await withNetwork(patient, tell, signal));
  if (!whole) tell('the rest', skipped('not looked at: what comes after the first fault depends on it'));
  return verdicts;
}

/** True when every hop was looked at. So of the next ones. */
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
    return await whileRunning(patient, ear, tell, signal);
  } finally {
    await network[Symbol.asyncDispose]();
  }
}

async function whileRunning(patient: Patient, ear: Ear, tell: Tell, signal: AbortSignal): Promise<boolean> {
  try {
    return (await starts(patient, tell, signal)) && (await lookInside(patient, ear, tell, signal));
  } finally {
    await stops(patient, tell);
  }
}

async function starts({ machine, machinery }: Patient, tell: Tell, signal: AbortSignal): Promise<boolean> {
  using limit = deadline(RESTORE_MS, signal);
  const began = performance.now();
  try {
    await machinery.prepare(machine, limit.signal);
    const restored = performance.now();
    await machinery.start(machine, limit.signal);
    const started = performance.now();
    const snapshot = machine.snapshot === null ? 'its template' : `snapshot ${machine.snapshot}`;
    tell(
      'start',
      ok(`${snapshot}: restored in ${ms(restored - began)}, runs ${ms(started - restored)} later`),
    );
    return true;
  } catch (error) {
    signal.throwIfAborted();
    const fix =
      'start it by hand from that snapshot in its hypervisor and mend what that says; then run this again';
    tell('start', fail(`it does not start: ${reason(error)}`, helpOf(error, fix)));
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
async function stops({ machine, machinery }: Patient, tell: Tell): Promise<void> {
  const began = performance.now();
  try {
    await machinery.stop(machine, AbortSignal.timeout(STOP_MS));
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
  return error.help;
}

function ms(time: number): string {
  return time < 10_000 ? `${Math.round(time)} ms` : `${(time / 1000).toFixed(1)} s`;
}
