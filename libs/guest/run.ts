import { deadline } from '#domain/deadline.js';
import { SandboxError } from '#domain/errors.js';
import { quoted } from '#domain/quoted.js';
import type { Task } from '#domain/task.js';
import type { AgentClient, Analysis } from './agent.js';
import { analysisConf } from './analysis-conf.js';
import type { AgentInfo } from './answers.js';
import { file } from './body.js';
import { wallClock } from './guest-clock.js';
import { startCuckooAnalyzer, type AnalyzerBundle } from './cuckoo-sequence.js';
import { guestFileName } from './guest-path.js';
import { waitForEnd, type RunEnd } from './wait-for-end.js';

export interface GuestJob {
  readonly agent: AgentClient;
  readonly task: Task;
  /** The file on the host and the name it was submitted under; null for a URL. */
  readonly sample: { readonly path: string; readonly name: string } | null;
  /** As the guest sees it. */
  readonly resultServer: { readonly ip: string; readonly port: number };
  /** An analyzer to bring along. It is used where there is one, whatever the agent has: the result server expects it. */
  readonly bundle?: AnalyzerBundle;
  /** What an operator should do for an agent without an analyzer when there is none to bring along. */
  readonly bring?: string;
  /** The guest is one of ours and restored from a template: not asked what it can, and soon there. */
  readonly known?: boolean;
  /** The sample may run this long. */
  readonly timeoutSeconds: number;
  /** Beyond that, for the agent to come up, and again for the analyzer to finish. */
  readonly criticalSeconds: number;
  /** Bytes of one dropped file that the analyzer uploads; default: the analyzer's. */
  readonly uploadMaxSize?: number;
  /** `agent`: until it answers; `push`: until the analyzer runs; `run`: until it ended. */
  readonly onPhase: (name: string, ms: number) => void;
  /** The guest's clock is about to be set so far ahead of ours; negative: behind. */
  readonly onClock?: (aheadMs: number) => void;
}

/** What our own agent can, when it need not be asked. */
const KNOWN: AgentInfo = { version: '0.10', features: ['analyze', 'waitstatus'], analyzer: null };

/**
 * Runs one sample in a guest that is starting or running: waits for the agent, hands it the sample, waits for the end.
 * Cancelling rejects with the signal's reason and tells the guest nothing: its machine is powered off.
 *
 * @throws AGENT_UNREACHABLE it never answered; AGENT_REFUSED it cannot, or will not, do what is needed; GUEST_LOST it
 *   stopped answering while the sample ran
 */
export async function runAnalysis(job: GuestJob, signal: AbortSignal): Promise<RunEnd> {
  const phase = phaseClock(job.onPhase);
  const info = await findAgent(job, signal);
  phase('agent');
  await startAnalyzer(job, info, signal);
  phase('push');
  const seconds = job.timeoutSeconds + job.criticalSeconds;
  const longPoll = info.features.includes('waitstatus');
  const end = await waitForEnd(job.agent, { seconds, longPoll }, signal);
  phase('run');
  return end;
}

async function findAgent({ agent, known, ...job }: GuestJob, signal: AbortSignal): Promise<AgentInfo> {
  // Cuckoo's limit, from a machine that may be booting; a restored one has nothing to wait for.
  const seconds = known ? job.criticalSeconds : job.timeoutSeconds + job.criticalSeconds;
  using limit = deadline(seconds * 1000, signal);
  if (known) {
    await agent.reach(limit.signal);
    return KNOWN;
  }
  try {
    return await agent.waitReady(limit.signal);
  } catch (cause) {
    if (!(cause instanceof SandboxError && cause.code === 'AGENT_REFUSED')) throw cause;
    const old =
      'the guest runs no agent of Cuckoo 2 or later (Cuckoo 1.x answers so); install agent.py of 2.0.7 in it';
    throw new SandboxError('AGENT_REFUSED', old, { cause });
  }
}

async function startAnalyzer(job: GuestJob, info: AgentInfo, signal: AbortSignal): Promise<void> {
  const { agent, task, resultServer, timeoutSeconds, uploadMaxSize } = job;
  const sample = job.sample && { path: job.sample.path, name: guestFileName(job.sample.name) };
  const clock = task.clock ?? new Date();
  const fileName = sample?.name ?? null;
  const size = uploadMaxSize === undefined ? {} : { uploadMaxSize };
  const config = analysisConf({ task, fileName, resultServer, timeoutSeconds, clock, ...size });

  if (job.bundle === undefined && info.features.includes('analyze')) {
    const content = sample && { name: sample.name, content: await file(sample.path) };
    // Our guest's zone is UTC.
    const now = new Date();
    const shown = task.clock === null ? now : wallClock(task.clock);
    job.onClock?.(shown.getTime() - now.getTime());
    await analyzeOnce(agent, { config, clock: shown, sample: content }, signal);
    return;
  }
  if (job.bundle === undefined) {
    const missing = `the agent (version ${quoted(info.version)}) has no analyzer loaded, and there is none to bring along`;
    throw new SandboxError('AGENT_REFUSED', job.bring === undefined ? missing : `${missing}: ${job.bring}`);
  }
  // Nobody knows the zone of other guests: ours is the best guess.
  job.onClock?.(clock.getTime() - Date.now());
  await startCuckooAnalyzer(agent, info, { task, bundle: job.bundle, config, sample }, signal);
}

/** When the answer is lost nobody knows whether the analysis began; the agent does. */
async function analyzeOnce(agent: AgentClient, analysis: Analysis, signal: AbortSignal): Promise<void> {
  try {
    await agent.analyze(analysis, signal);
  } catch (error) {
    if (!(error instanceof SandboxError && error.code === 'AGENT_UNREACHABLE')) throw error;
    if ((await agent.status(signal)).status === null) await agent.analyze(analysis, signal);
  }
}

/** Tells how long each phase took; one begins where the last ended. */
function phaseClock(onPhase: GuestJob['onPhase']): (name: string) => void {
  let last = performance.now();
  return (name) => {
    const now = performance.now();
    onPhase(name, now - last);
    last = now;
  };
}
