import { join } from 'node:path';
import type { Phases, Outcome } from '#domain/artifacts.js';
import { ERRORS, type ErrorCode, reason, SandboxError } from '#domain/errors.js';
import type { Machine } from '#domain/machine.js';
import type { Task } from '#domain/task.js';
import type { CuckooSettings } from '#config/settings.js';
import type { HomePaths } from '#config/home.js';
import { analysisDir, makeAnalysis, taskFileTask, writeTaskFile } from '#storage/analyses.js';
import { binaryPath } from '#storage/binaries.js';
import { MAX_ATTEMPTS } from '#queue/reconcile.js';
import type { Claim } from '#storage/task-details.js';
import type { Tasks } from '#storage/tasks.js';
import type { Log } from '../log.js';
import { detonate, routeOf, type Detonation, type Run } from './detonate.js';
import type { Lab } from './lab.js';
import { PhaseClock } from './phases.js';
import { openTaskLog } from './task-log.js';

/** What a queue is told of one analysis. */
export type Verdict =
  | { readonly kind: 'done' }
  /** Not ours (any more): another worker has it, or it is gone. */
  | { readonly kind: 'not ours' }
  /** Pending again; the queue tries later. */
  | { readonly kind: 'again'; readonly why: string }
  /** Pending again because this worker shuts down. */
  | { readonly kind: 'handed back' };

export interface Analyst {
  readonly worker: string;
  readonly home: HomePaths;
  readonly settings: CuckooSettings;
  readonly tasks: Tasks;
  readonly lab: Lab;
  readonly log: Log;
  onPhase(task: number, phase: string, ms: number, machine: string | undefined): void;
  /** The task is ours from now on. */
  onClaim?(claim: Claim): void;
}

export interface Ends {
  /** This worker ends: the task is handed back. */
  readonly shutdown: AbortSignal;
  /** The task is not ours any more: cancelled, or taken by the reconciler. */
  readonly taken: AbortSignal;
}

/**
 * Takes one task from pending to completed, failed_analysis, or back to pending. SQL is the truth: every step is a
 * conditional update, so a task that another worker has, or that was taken from us, is left alone.
 */
export async function analyze(task: Task, by: Analyst, ends: Ends): Promise<Verdict> {
  const dir = analysisDir(by.home.analyses, task.id);
  const held: { claim: Claim | null } = { claim: null };
  let machine: Machine | undefined;
  const phases = new PhaseClock((phase, ms) => by.onPhase(task.id, phase, ms, machine?.name));
  phases.add('queued', Math.max(0, Date.now() - task.addedOn.getTime()));

  const begin = async (on: Machine, manager: string): Promise<boolean> => {
    machine = on;
    held.claim = await by.tasks.claim(task.id, by.worker);
    if (held.claim === null) return false;
    by.onClaim?.(held.claim);
    await makeAnalysis(by.home, task);
    await by.tasks.putGuest(task.id, {
      name: on.name,
      label: on.label,
      manager,
      status: 'running',
      startedOn: new Date(),
      shutdownOn: null,
    });
    return true;
  };

  try {
    await using hostLog = lateLog(() => openTaskLog(dir, task.id, by.log));
    const run = await detonate(
      detonation(task, by, { dir, phases, log: hostLog.log, begin }),
      by.lab,
      AbortSignal.any([ends.shutdown, ends.taken]),
    );
    phases.mark('release');
    const { claim } = held;
    if (run === null || claim === null) return { kind: 'not ours' };
    return await finish(task, by, { dir, run, phases: phases.durations, claim });
  } catch (error) {
    return await fail(task, by, { error, claim: held.claim, dir, phases: phases.durations, ends });
  }
}

function detonation(
  task: Task,
  { settings, home }: Analyst,
  rest: { dir: string; phases: PhaseClock; log: Log; begin: Detonation['begin'] },
) {
  const { timeouts, cuckoo } = settings;
  return {
    task,
    samplePath: task.sample === null ? null : binaryPath(home.binaries, task.sample.sha256),
    timeouts: {
      analysis: task.timeout === 0 ? timeouts.default : task.timeout,
      critical: timeouts.critical,
      vmState: timeouts.vm_state,
    },
    route: routeOf(task),
    uploadMaxSize: settings.resultserver.upload_max_size,
    memoryDump: task.memory || cuckoo.memory_dump,
    ...rest,
  };
}

interface Finished {
  readonly dir: string;
  readonly run: Run;
  readonly phases: Phases;
  readonly claim: Claim;
}

async function finish(task: Task, by: Analyst, { dir, run, phases, claim }: Finished): Promise<Verdict> {
  const { outcome, guest, undumped } = run;
  // A run that was taken away must not write over the one that took its place.
  if (!(await by.tasks.holds(task.id, claim.epoch))) return letGo(task, by, dir, phases);
  const completed = {
    ...claim.task,
    status: 'completed' as const,
    completedOn: new Date(),
    route: routeOf(task),
  };
  await writeTaskFile(dir, { task: taskFileTask(completed), guest, phases, outcome });
  if (undumped !== null)
    await by.tasks.addError(task.id, undumped.code, sentence(undumped.code, reason(undumped)));
  await by.tasks.guestStatus(task.id, outcome.status === 'failed' ? 'failed' : 'stopped');
  if (outcome.status === 'failed') return end(task, by, claim, outcome.code, outcome.reason);
  const moved = await by.tasks.move(task.id, 'running', 'completed', {
    epoch: claim.epoch,
    route: routeOf(task),
  });
  return { kind: moved ? 'done' : 'not ours' };
}

interface Failed {
  readonly error: unknown;
  readonly claim: Claim | null;
  readonly dir: string;
  readonly phases: Phases;
  readonly ends: Ends;
}

async function fail(task: Task, by: Analyst, { error, claim, dir, phases, ends }: Failed): Promise<Verdict> {
  const why = reason(error);
  if (claim === null) {
    if (ends.shutdown.aborted) return { kind: 'handed back' };
    if (error instanceof SandboxError && !error.retry) return endPending(task, by, error.code, why);
    return { kind: 'again', why };
  }
  if (ends.taken.aborted) return letGo(task, by, dir, phases);
  if (ends.shutdown.aborted) {
    by.log('info', 'handed back: this worker ends', { task: task.id });
    await by.tasks.handBack(task.id, claim.epoch);
    return { kind: 'handed back' };
  }
  if (!(await by.tasks.holds(task.id, claim.epoch))) return letGo(task, by, dir, phases);
  const code = codeOf(error);
  by.log('error', why, { task: task.id, code, stage: 'analysis' });
  await by.tasks.guestStatus(task.id, 'failed');
  if (ERRORS[code].retry && claim.attempt < MAX_ATTEMPTS) {
    await by.tasks.addError(task.id, code, `attempt ${claim.attempt} of ${MAX_ATTEMPTS}: ${why}`);
    await by.tasks.move(task.id, 'running', 'pending', { epoch: claim.epoch });
    return { kind: 'again', why };
  }
  await keepOutcome(dir, task, phases, { status: 'failed', code, reason: why }, by);
  return end(task, by, claim, code, why);
}

/**
 * The run is not ours any more. After a cancel nobody else has the folder: what was collected stays, and task.json says
 * why it ends there. Otherwise the folder is that of the run that took our place.
 */
async function letGo(task: Task, by: Analyst, dir: string, phases: Phases): Promise<Verdict> {
  if ((await by.tasks.status(task.id)) === 'failed_analysis') {
    by.log('info', 'cancelled', { task: task.id, code: 'CANCELLED' });
    const outcome = { status: 'failed', code: 'CANCELLED', reason: 'the task was cancelled' } as const;
    await keepOutcome(dir, task, phases, outcome, by);
    await by.tasks.guestStatus(task.id, 'stopped');
  }
  return { kind: 'not ours' };
}

/** The artefacts stay for whoever looks into the failure; that task.json cannot be written must not hide the failure itself. */
async function keepOutcome(
  dir: string,
  task: Task,
  phases: Phases,
  outcome: Outcome,
  by: Analyst,
): Promise<void> {
  await writeTaskFile(dir, { task: taskFileTask(task), guest: null, phases, outcome }).catch(
    (error: unknown) => by.log('warn', `${join(dir, 'task.json')}: ${reason(error)}`, { task: task.id }),
  );
}

async function end(task: Task, by: Analyst, claim: Claim, code: ErrorCode, why: string): Promise<Verdict> {
  await by.tasks.addError(task.id, code, sentence(code, why));
  const moved = await by.tasks.move(task.id, 'running', 'failed_analysis', { epoch: claim.epoch });
  return { kind: moved ? 'done' : 'not ours' };
}

/** A task that no machine of ours can ever serve: it never ran. */
async function endPending(task: Task, by: Analyst, code: ErrorCode, why: string): Promise<Verdict> {
  await by.tasks.addError(task.id, code, sentence(code, why));
  const moved = await by.tasks.move(task.id, 'pending', 'failed_analysis');
  return { kind: moved ? 'done' : 'not ours' };
}

/** A full disk can be met anywhere; it is the operator's to mend, not a defect. */
function codeOf(error: unknown): ErrorCode {
  if (error instanceof SandboxError) return error.code;
  return (error as NodeJS.ErrnoException).code === 'ENOSPC' ? 'NO_DISK_SPACE' : 'INTERNAL';
}

/** What a client and a person read: what happened, its code, and what to do. */
function sentence(code: ErrorCode, why: string): string {
  return `${why} [${code}] ${ERRORS[code].help}`;
}

/** Opens the task's log at its first line: before the task is ours its folder may be another worker's. */
function lateLog(open: () => ReturnType<typeof openTaskLog>): AsyncDisposable & { readonly log: Log } {
  let opened: ReturnType<typeof openTaskLog> | null = null;
  return {
    log: (level, message, fields) => {
      opened ??= open();
      opened.log(level, message, fields);
    },
    [Symbol.asyncDispose]: async () => opened?.[Symbol.asyncDispose](),
  };
}
