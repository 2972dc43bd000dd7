import { join } from 'node:path';
import type { Outcome, Phases } from '#domain/artifacts.js';
import { ERRORS, type ErrorCode, reason, SandboxError } from '#domain/errors.js';
import { outcomeOf, type OutcomeCode } from '#domain/outcome.js';
import { MAX_ATTEMPTS } from '#domain/task.js';
import type { CuckooSettings } from '#config/cuckoo-settings.js';
import type { HomePaths } from '#config/home.js';
import type { MachineLease } from '#machinery/lease.js';
import { linkedSignal } from '#machinery/linked-signal.js';
import { taskFileTask, writeTaskFile } from '#storage/analyses.js';
import { isDatabaseAway } from '#storage/away.js';
import type { ArtifactStore } from '#storage/artifacts/store.js';
import { binaryPath } from '#storage/binaries.js';
import type { RunEnding, RunError } from '#storage/runs.js';
import type { Claim } from '#storage/task-details.js';
import type { Tasks } from '#storage/tasks.js';
import type { Log } from '../log.js';
import { detonate, type Detonation, type Run } from './detonate.js';
import type { Lab } from './lab.js';
import { PhaseClock } from './phases.js';
import { openTaskLog } from './task-log.js';
import { isStoreAway, untilDone } from './until-done.js';

/** A rename, or the move of a few small objects. */
const PUBLISH_TIMEOUT_MS = 30_000;

/** What every analysis of this host lacks, not this one: a rooter that is away, a program that is not installed. */
const OF_THE_HOST: ReadonlySet<ErrorCode> = new Set(['ROOTER_AWAY', 'SETUP_MISSING']);

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
  /** Pending again, as if it had not begun: its machine was never started, for what this host lacks. */
  | {
      readonly kind: 'host fails';
      readonly claim: Claim;
      readonly code: ErrorCode;
      readonly blame: string;
    }
  /** Pending again because this worker ends. */
  | { readonly kind: 'handed back'; readonly claim: Claim };

export interface Analyst {
  readonly worker: string;
  readonly home: HomePaths;
  readonly settings: CuckooSettings;
  readonly tasks: Tasks;
  readonly artifacts: ArtifactStore;
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
  readonly phases: PhaseClock;
  readonly ends: Ends;
  /** Of the run, on this host; null until it is made. */
  dir: string | null;
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
  const current: Current = { claim, machine: name, phases, ends, dir: null };
  const verdict = await runToEnd(current, lease, by).catch((error: unknown) => fail(current, error, by));
  await publish(current, by);
  return verdict;
}

/** The run and its end, or whatever went wrong: then the machine is given back all the same. */
async function runToEnd(current: Current, lease: MachineLease, by: Analyst): Promise<Verdict> {
  const { claim, phases, ends } = current;
  using either = linkedSignal([ends.shutdown, ends.taken], null);
  let run: Run;
  {
    await using owned = lease;
    const begin = () => by.artifacts.begin(claim.task, claim.epoch, either.signal);
    const waiting = { log: by.log, again: isStoreAway };
    const dir = (current.dir = await untilDone(begin, waiting, either.signal));
    await using hostLog = openTaskLog(dir, claim.task.id, by.log);
    run = await detonate(
      detonation(current, { lease: owned, dir, log: hostLog.log }, by),
      by.lab,
      either.signal,
    );
  }
  phases.mark('release');
  return await finish(current, run, either.signal, by);
}

function detonation(
  { claim: { task }, phases }: Current,
  rest: Pick<Detonation, 'lease' | 'dir' | 'log'>,
  { home, settings }: Analyst,
): Detonation {
  const { timeouts, cuckoo, resultserver } = settings;
  return {
    ...rest,
    ...{ task, phases },
    samplePath: task.sample === null ? null : binaryPath(home.binaries, task.sample.sha256),
    timeouts: {
      analysis: task.timeout === 0 ? timeouts.default : task.timeout,
      critical: timeouts.critical,
      vmState: timeouts.vm_state,
    },
    uploadMaxSize: resultserver.upload_max_size,
    memoryDump: task.memory || cuckoo.memory_dump,
  };
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

async function finish(current: Current, run: Run, signal: AbortSignal, by: Analyst): Promise<Verdict> {
  const { claim, dir, phases } = current;
  const { outcome, guest, route, undumped } = run;
  const { id } = claim.task;
  if (dir === null) throw new TypeError('a run ended before it had a folder');
  const completed = { ...claim.task, status: 'completed' as const, completedOn: new Date(), route };
  await writeTaskFile(dir, { task: taskFileTask(completed), guest, phases: phases.durations, outcome });
  const errors = undumped === null ? [] : [told(undumped.code, reason(undumped))];
  if (outcome.status === 'failed') {
    errors.push(told(outcome.code, outcome.reason));
    return end(current, { to: 'failed_analysis', outcome: outcomeOf(outcome.code), errors }, null, by);
  }
  const saving = { log: by.log, again: isStoreAway };
  await untilDone(() => by.artifacts.save(id, claim.epoch, signal), saving, signal);
  return end(current, { to: 'completed', outcome: outcome.status, route, errors }, null, by);
}

async function fail(current: Current, error: unknown, by: Analyst): Promise<Verdict> {
  const { claim, ends, machine } = current;
  const { id } = claim.task;
  const why = reason(error);
  if (ends.taken.aborted) return letGo(current, by);
  if (ends.shutdown.aborted) return handBack(current, by);
  const code = codeOf(error);
  by.log('error', why, { task: id, machine, code, stage: 'analysis' });
  const outcome = outcomeOf(code);
  const isOfHost = OF_THE_HOST.has(code);
  const blame = ERRORS[code].retry || isOfHost ? `${machine}: ${why}` : null;
  if (blame !== null && isOfHost && !current.phases.has('prepare')) {
    const ours = await by.tasks.runs.end(id, claim.epoch, { to: 'pending', handedBack: true });
    return ours ? { kind: 'host fails', claim, code, blame } : letGo(current, by);
  }
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
  return ours ? { kind: 'handed back', claim } : letGo(current, by);
}

/** The run is not ours any more. After a cancel what was collected stays, and task.json says why it ends there. */
async function letGo(current: Current, by: Analyst): Promise<Verdict> {
  const { id } = current.claim.task;
  const now = (await by.tasks.find(id))?.task;
  // Not any failure: the one that we told ourselves, and whose answer was lost, is no cancel.
  if (now?.outcome === 'cancelled' || now?.status === 'recovered') {
    by.log('info', 'cancelled', { task: id, code: 'CANCELLED' });
    const outcome = { status: 'failed', code: 'CANCELLED', reason: 'the task was cancelled' } as const;
    await keepOutcome(current, outcome, by);
    await by.tasks.runs.stopped(id);
    by.onEnd?.('cancelled');
  }
  return { kind: 'not ours' };
}

/** The artefacts stay for whoever looks into the failure; that task.json cannot be written must not hide the failure itself. */
async function keepOutcome({ claim, dir, phases }: Current, outcome: Outcome, by: Analyst): Promise<void> {
  const { task } = claim;
  if (dir === null) return;
  await writeTaskFile(dir, {
    ...{ task: taskFileTask(task), guest: null, outcome },
    phases: phases.durations satisfies Phases,
  }).catch((error: unknown) =>
    by.log('warn', `${join(dir, 'task.json')}: ${reason(error)}`, { task: task.id }),
  );
}

/** A database that is away for a moment must not cost the run that was just made: its end is told when it is back. */
async function end(
  current: Current,
  ending: Exclude<RunEnding, { readonly handedBack: true }>,
  blame: string | null,
  by: Analyst,
): Promise<Verdict> {
  const { claim, ends } = current;
  const { id } = claim.task;
  const telling = { log: by.log, again: isDatabaseAway };
  const ours = await untilDone(() => by.tasks.runs.end(id, claim.epoch, ending), telling, ends.shutdown);
  if (!ours) return letGo(current, by);
  by.onEnd?.(ending.outcome);
  const status = ending.to === 'completed' ? 'completed' : 'failed_analysis';
  return { kind: 'done', status, priority: claim.task.priority, blame };
}

/** The folder of the run becomes the task's, or goes, as the row says. What cannot be done now is done by whoever reads it. */
async function publish({ claim, dir }: Current, { artifacts, log }: Analyst): Promise<void> {
  if (dir === null) return;
  const { id } = claim.task;
  // Not the signals of the run: they have aborted when it was handed back or cancelled.
  await artifacts
    .publish(id, claim.epoch, AbortSignal.timeout(PUBLISH_TIMEOUT_MS))
    .catch((error: unknown) =>
      log('warn', `the artefacts are not published yet: ${reason(error)}`, { task: id, stage: 'publish' }),
    );
}

/** A full disk can be met anywhere; it is the operator's to mend, not a defect. */
function codeOf(error: unknown): ErrorCode {
  if (error instanceof SandboxError) return error.code;
  if (isDatabaseAway(error)) return 'DATABASE_UNAVAILABLE';
  return (error as NodeJS.ErrnoException).code === 'ENOSPC' ? 'NO_DISK_SPACE' : 'INTERNAL';
}

/** What a client and a person read: what happened, its code, and what to do. */
function told(code: ErrorCode, why: string): RunError {
  return { action: code, message: `${why} [${code}] ${ERRORS[code].help}` };
}
