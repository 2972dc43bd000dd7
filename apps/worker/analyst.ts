import { join } from 'node:path';
import type { Outcome, Phases } from '#domain/artifacts.js';
import { ERRORS, type ErrorCode, reason, SandboxError } from '#domain/errors.js';
import { outcomeOf, type OutcomeCode } from '#domain/outcome.js';
import type { CuckooSettings } from '#config/settings.js';
import type { HomePaths } from '#config/home.js';
import type { MachineLease } from '#machinery/lease.js';
import { linkedSignal } from '#machinery/linked-signal.js';
import { analysisDir, makeAnalysis, taskFileTask, writeTaskFile } from '#storage/analyses.js';
import { binaryPath } from '#storage/binaries.js';
import { MAX_ATTEMPTS } from '#queue/reconcile.js';
import type { RunEnding, RunError } from '#storage/runs.js';
import type { Claim } from '#storage/task-details.js';
import type { Tasks } from '#storage/tasks.js';
import type { Log } from '../log.js';
import { detonate, routeOf, type Run } from './detonate.js';
import type { Lab } from './lab.js';
import { PhaseClock } from './phases.js';
import { openTaskLog } from './task-log.js';
import { untilDone } from './until-done.js';

/** What becomes of a task that was taken from its lane. */
export type Verdict =
  /** It has been run: completed or failed. `blame`: the reason was this host's, not the sample's. */
  | {
      readonly kind: 'done';
      readonly status: 'completed' | 'failed_analysis';
      readonly priority: number;
      readonly blame: string | null;
    }
  /** Not ours (any more): another worker has it, or it was cancelled, or it is gone. */
  | { readonly kind: 'not ours' }
  /** Pending again: it is to be tried after a pause, on another machine if there is one. */
  | {
      readonly kind: 'again';
      readonly claim: Claim;
      readonly avoid: readonly string[];
      readonly blame: string;
    }
  /** Pending again because this worker ends. */
  | { readonly kind: 'handed back'; readonly claim: Claim };

export interface Analyst {
  readonly worker: string;
  readonly home: HomePaths;
  readonly settings: CuckooSettings;
  readonly tasks: Tasks;
  readonly lab: Lab;
  readonly log: Log;
  onPhase(task: number, phase: string, ms: number, machine: string | undefined): void;
  /** A run has ended so. */
  onEnd?(outcome: OutcomeCode): void;
}

export interface Ends {
  /** This worker ends: the task is handed back. */
  readonly shutdown: AbortSignal;
  /** The task is not ours any more: cancelled, or taken by the reconciler. */
  readonly taken: AbortSignal;
  /** The task is ours from now on. */
  onClaim?(claim: Claim): void;
}

/** One run while it lasts. */
interface Current {
  readonly claim: Claim;
  readonly machine: string;
  readonly dir: string;
  readonly phases: PhaseClock;
  readonly ends: Ends;
}

/**
 * Takes a task from pending to completed, failed_analysis, or back to pending, on the machine of the lease. SQL is the
 * truth: every step is a conditional update, so a task that another worker has, or that was taken from us, is left alone.
 */
export async function analyze(id: number, lease: MachineLease, by: Analyst, ends: Ends): Promise<Verdict> {
  const { name } = lease.machine;
  const claim = await claimed(id, lease, by);
  if (claim === null) return { kind: 'not ours' };
  ends.onClaim?.(claim);
  const phases = new PhaseClock((phase, ms) => by.onPhase(id, phase, ms, name));
  phases.add('queued', Math.max(0, Date.now() - claim.task.addedOn.getTime()));
  const current = { claim, machine: name, dir: analysisDir(by.home.analyses, id), phases, ends };
  try {
    const run = await runOnce(current, lease, by);
    phases.mark('release');
    return await finish(current, run, by);
  } catch (error) {
    return await fail(current, error, by);
  }
}

async function runOnce(
  { claim: { task }, dir, phases, ends }: Current,
  lease: MachineLease,
  { home, settings, lab, log }: Analyst,
): Promise<Run> {
  try {
    await makeAnalysis(home, task);
  } catch (error) {
    await lease[Symbol.asyncDispose]();
    throw error;
  }
  await using hostLog = openTaskLog(dir, task.id, log);
  using either = linkedSignal([ends.shutdown, ends.taken], null);
  const { timeouts, cuckoo, resultserver } = settings;
  const job = {
    ...{ task, lease, dir, phases, log: hostLog.log, route: routeOf(task) },
    samplePath: task.sample === null ? null : binaryPath(home.binaries, task.sample.sha256),
    timeouts: {
      analysis: task.timeout === 0 ? timeouts.default : task.timeout,
      critical: timeouts.critical,
      vmState: timeouts.vm_state,
    },
    uploadMaxSize: resultserver.upload_max_size,
    memoryDump: task.memory || cuckoo.memory_dump,
  };
  return await detonate(job, lab, either.signal);
}

/** A machine that gets no task is free again. */
async function claimed(id: number, lease: MachineLease, by: Analyst): Promise<Claim | null> {
  const { name, label } = lease.machine;
  let claim: Claim | null = null;
  try {
    claim = await by.tasks.runs.claim(id, by.worker, { name, label, manager: lease.machinery.kind });
  } finally {
    if (claim === null) await lease[Symbol.asyncDispose]();
  }
  return claim;
}

async function finish(current: Current, run: Run, by: Analyst): Promise<Verdict> {
  const { claim, dir, phases } = current;
  const { outcome, guest, undumped } = run;
  // A run that was taken away must not write over the one that took its place.
  if (!(await holds(current, by))) return letGo(current, by);
  const route = routeOf(claim.task);
  const completed = { ...claim.task, status: 'completed' as const, completedOn: new Date(), route };
  await writeTaskFile(dir, { task: taskFileTask(completed), guest, phases: phases.durations, outcome });
  const errors = undumped === null ? [] : [told(undumped.code, reason(undumped))];
  if (outcome.status !== 'failed')
    return end(current, { to: 'completed', outcome: outcome.status, route, errors }, null, by);
  errors.push(told(outcome.code, outcome.reason));
  return end(current, { to: 'failed_analysis', outcome: outcomeOf(outcome.code), errors }, null, by);
}

async function fail(current: Current, error: unknown, by: Analyst): Promise<Verdict> {
  const { claim, ends, machine } = current;
  const { id } = claim.task;
  const why = reason(error);
  if (ends.taken.aborted) return letGo(current, by);
  if (ends.shutdown.aborted) return handBack(current, by);
  if (!(await holds(current, by))) return letGo(current, by);
  const code = codeOf(error);
  by.log('error', why, { task: id, machine, code, stage: 'analysis' });
  const outcome = outcomeOf(code);
  const blame = ERRORS[code].retry ? `${machine}: ${why}` : null;
  if (blame !== null && claim.attempt < MAX_ATTEMPTS) {
    const avoid = [...new Set([...claim.avoid, machine])];
    const message = `attempt ${claim.attempt} of ${MAX_ATTEMPTS}, on ${machine}: ${why}`;
    const errors = [{ action: code, message }];
    const ended = await end(current, { to: 'pending', outcome, avoid, errors }, blame, by);
    return ended.kind === 'done' ? { kind: 'again', claim, avoid, blame } : ended;
  }
  await keepOutcome(current, { status: 'failed', code, reason: why }, by);
  return end(current, { to: 'failed_analysis', outcome, errors: [told(code, why)] }, blame, by);
}

async function handBack(current: Current, by: Analyst): Promise<Verdict> {
  const { claim } = current;
  by.log('info', 'handed back: this worker ends', { task: claim.task.id });
  const ours = await by.tasks.runs.end(claim.task.id, claim.epoch, { to: 'pending', handedBack: true });
  return ours ? { kind: 'handed back', claim } : { kind: 'not ours' };
}

/**
 * The run is not ours any more. After a cancel nobody else has the folder: what was collected stays, and task.json says
 * why it ends there. Otherwise the folder is that of the run that took our place.
 */
async function letGo(current: Current, by: Analyst): Promise<Verdict> {
  const { id } = current.claim.task;
  if ((await by.tasks.status(id)) === 'failed_analysis') {
    by.log('info', 'cancelled', { task: id, code: 'CANCELLED' });
    const outcome = { status: 'failed', code: 'CANCELLED', reason: 'the task was cancelled' } as const;
    await keepOutcome(current, outcome, by);
    await by.tasks.runs.stopped([id]);
    by.onEnd?.('cancelled');
  }
  return { kind: 'not ours' };
}

/** The artefacts stay for whoever looks into the failure; that task.json cannot be written must not hide the failure itself. */
async function keepOutcome({ claim, dir, phases }: Current, outcome: Outcome, by: Analyst): Promise<void> {
  const { task } = claim;
  await writeTaskFile(dir, {
    ...{ task: taskFileTask(task), guest: null, outcome },
    phases: phases.durations satisfies Phases,
  }).catch((error: unknown) =>
    by.log('warn', `${join(dir, 'task.json')}: ${reason(error)}`, { task: task.id }),
  );
}

async function holds({ claim, ends }: Current, by: Analyst): Promise<boolean> {
  return untilDone(() => by.tasks.runs.holds(claim.task.id, claim.epoch), by.log, ends.shutdown);
}

/** A database that is away for a moment must not cost the run that was just made: its end is told when it is back. */
async function end(
  { claim, ends }: Current,
  ending: Exclude<RunEnding, { readonly handedBack: true }>,
  blame: string | null,
  by: Analyst,
): Promise<Verdict> {
  const { id } = claim.task;
  const ours = await untilDone(() => by.tasks.runs.end(id, claim.epoch, ending), by.log, ends.shutdown);
  if (!ours) return { kind: 'not ours' };
  by.onEnd?.(ending.outcome);
  const status = ending.to === 'completed' ? 'completed' : 'failed_analysis';
  return { kind: 'done', status, priority: claim.task.priority, blame };
}

/** A full disk can be met anywhere; it is the operator's to mend, not a defect. */
function codeOf(error: unknown): ErrorCode {
  if (error instanceof SandboxError) return error.code;
  return (error as NodeJS.ErrnoException).code === 'ENOSPC' ? 'NO_DISK_SPACE' : 'INTERNAL';
}

/** What a client and a person read: what happened, its code, and what to do. */
function told(code: ErrorCode, why: string): RunError {
  return { action: code, message: `${why} [${code}] ${ERRORS[code].help}` };
}
