import { join } from 'node:path';
import { ARTIFACTS, type GuestRun, type Outcome } from '#domain/artifacts.js';
import { deadline } from '#domain/deadline.js';
import { reason, SandboxError } from '#domain/errors.js';
import { parseOptions, type Task } from '#domain/task.js';
import type { AgentClient } from '#guest/agent.js';
import { runAnalysis } from '#guest/run.js';
import type { Log } from '../log.js';
import type { MachineLease } from '#machinery/lease.js';
import { DEFAULT_GUEST, type GuestKind, type Lab } from './lab.js';
import type { PhaseClock } from './phases.js';
import { takeScreenshots } from './shots.js';

export interface Detonation {
  readonly task: Task;
  readonly lease: MachineLease;
  /** The folder of the run, made and empty. */
  readonly dir: string;
  /** storage/binaries/<sha256>; null for a URL. */
  readonly samplePath: string | null;
  readonly timeouts: { readonly analysis: number; readonly critical: number; readonly vmState: number };
  /** Bytes of one file that the guest may upload. */
  readonly uploadMaxSize: number;
  readonly memoryDump: boolean;
  readonly phases: PhaseClock;
  readonly log: Log;
}

export interface Run {
  readonly guest: GuestRun;
  /** That it had. */
  readonly route: string;
  readonly outcome: Outcome;
  /** The memory dump that was asked for and is not there; the rest of the run is none the worse for it. */
  readonly undumped: SandboxError | null;
}

/** From the order to dump to the whole file: a gigabyte takes seconds, a slow disk and much RAM minutes. */
const DUMP_TIMEOUT_MS = 15 * 60_000;

/**
 * Runs the sample once on a machine and leaves what it did in the folder of the run.
 *
 * Everything opened here closes in reverse order on the way out, whichever way that is: the screen is looked at a
 * last time, the capture ends, the result server forgets the guest. Whoever has the lease then powers the machine off.
 */
export async function detonate(job: Detonation, lab: Lab, signal: AbortSignal): Promise<Run> {
  const { task, lease, dir, phases, log } = job;
  const { machine } = lease;
  const kind = lab.guest?.(machine) ?? DEFAULT_GUEST;
  const route = parseOptions(task.options).get('route') ?? kind.route;
  await using results = await lab.openResults({ id: task.id, dir, machine });
  const wanted = { id: task.id, dir, route, results, options: task.options };
  await using network = await lab.openNetwork(machine, wanted, signal);
  phases.mark('prepare');
  const startedOn = new Date();
  await startWithin(job.timeouts.vmState, lease, signal);
  phases.mark('start');
  log('info', 'the machine runs', { machine: machine.name, stage: 'start' });

  const alive = AbortSignal.any([signal, lease.lost, network.failed, results.failed]);
  let clockAheadMs = 0;
  const onClock = (aheadMs: number): void => {
    clockAheadMs = aheadMs;
    network.setClock(aheadMs);
  };
  let outcome: Outcome;
  let undumped: SandboxError | null = null;
  {
    await using _camera = camera(lease, dir, log);
    outcome = await runInGuest(job, { lease, agent: lab.agent(machine), kind, onClock }, alive);
    if (job.memoryDump) undumped = await dumpMemory(job, lease, alive);
  }
  await network.finish();
  await results.finish();
  phases.mark('collect');

  const guest = { ...guestRun(lease, startedOn), clockAhead: clockAheadMs / 1000 };
  return { guest, route, outcome, undumped };
}

interface RunningGuest {
  readonly lease: MachineLease;
  readonly agent: AgentClient;
  readonly kind: GuestKind;
  readonly onClock: (aheadMs: number) => void;
}

async function runInGuest(
  job: Detonation,
  { lease, agent, kind, onClock }: RunningGuest,
  alive: AbortSignal,
): Promise<Outcome> {
  const { task, timeouts, phases, log } = job;
  try {
    const end = await runAnalysis(
      {
        agent,
        task,
        sample: job.samplePath === null ? null : { path: job.samplePath, name: task.target },
        resultServer: lease.machine.resultServer,
        known: kind.known,
        ...(kind.bundle === null ? {} : { bundle: kind.bundle }),
        ...(kind.bring === undefined ? {} : { bring: kind.bring }),
        timeoutSeconds: timeouts.analysis,
        criticalSeconds: timeouts.critical,
        uploadMaxSize: job.uploadMaxSize,
        onPhase: (name) => phases.mark(name),
        onClock,
      },
      alive,
    );
    log('info', `the analyzer ended: ${end.status}`, { machine: lease.machine.name, stage: 'run' });
    if (end.status !== 'exception') return { status: end.status };
    return {
      status: 'failed',
      code: 'AGENT_REFUSED',
      reason: `the analyzer failed in the guest: ${end.description}`,
    };
  } catch (error) {
    // The machine's own end says more than the broken connection it caused.
    if (lease.lost.aborted) throw lease.lost.reason;
    if (error instanceof SandboxError && error.code === 'AGENT_UNREACHABLE') lease.suspect(error.message);
    throw error;
  }
}

function camera(lease: MachineLease, dir: string, log: Log): AsyncDisposable {
  const { machine, machinery } = lease;
  const screenshot = machinery.screenshot?.bind(machinery);
  if (screenshot === undefined) return { [Symbol.asyncDispose]: async () => {} };
  return takeScreenshots({ screenshot: (signal) => screenshot(machine, signal) }, dir, (error) =>
    log('warn', `no screenshot: ${String(error)}`, { stage: 'screenshots' }),
  );
}

/** Null when memory.dmp is there and whole; else why not. */
async function dumpMemory(
  { dir, phases, log }: Detonation,
  { machine, machinery }: MachineLease,
  alive: AbortSignal,
): Promise<SandboxError | null> {
  using limit = deadline(DUMP_TIMEOUT_MS, alive);
  try {
    if (machinery.dumpMemory === undefined)
      throw new SandboxError('CAPTURE_FAILED', `${machinery.kind} machines cannot give one`);
    await machinery.dumpMemory(machine, join(dir, ARTIFACTS.memory), limit.signal);
    return null;
  } catch (cause) {
    alive.throwIfAborted(); // cancelled, or the machine is gone: that is the story then
    const full = cause instanceof SandboxError && cause.code === 'NO_DISK_SPACE';
    const code = full ? 'NO_DISK_SPACE' : 'CAPTURE_FAILED';
    const failed = new SandboxError(code, `there is no memory dump of ${machine.name}`, { cause });
    log('error', reason(failed), { machine: machine.name, code, stage: 'memory' });
    return failed;
  } finally {
    phases.mark('memory');
  }
}

function guestRun(lease: MachineLease, startedOn: Date): GuestRun {
  const { name, label, platform } = lease.machine;
  return {
    name,
    label,
    platform,
    manager: lease.machinery.kind,
    startedOn: startedOn.toISOString(),
    shutdownOn: new Date().toISOString(),
  };
}

async function startWithin(seconds: number, lease: MachineLease, signal: AbortSignal): Promise<void> {
  using limit = deadline(seconds * 1000, signal);
  try {
    await lease.start(limit.signal);
  } catch (cause) {
    if (signal.aborted || !limit.signal.aborted) throw cause;
    const late = `${lease.machine.name} did not run within ${seconds} s ([timeouts] vm_state in cuckoo.conf)`;
    lease.suspect(late);
    throw new SandboxError('MACHINE_START_FAILED', late, { cause });
  }
}
