import { reason } from '#domain/errors.js';
import type { DistTaskRow } from '#distribution/entities/dist-task.entity.js';
import type { NodeRow } from '#distribution/entities/node.entity.js';
import { NodeError } from '#nodes/error.js';
import type { Context } from '../context.js';
import type { EarlyEnds } from './early.js';
import type { Ills, Step } from './ills.js';
import type { Jobs } from './jobs.js';

/** What the steps work with. */
export interface Parts extends Omit<Context, 'bells' | 'home' | 'db' | 'redis'> {
  readonly jobs: Jobs;
  /** When this controller began. */
  readonly startedOn: Date;
  readonly early: EarlyEnds;
  readonly ills: Ills;
  /** Tasks that are just being taken back from their node. */
  readonly withdrawing: Set<number>;
  /** Nodes whose events are being read, by this controller. */
  readonly heard: ReadonlySet<number>;
}

/** Milliseconds until a step is tried again; null: it is done, or there is nothing left to do. */
export type Again = number | null;

/** Milliseconds between two tries of what failed, unless something says more. */
export const RETRY_MS = 5000;

/** How often a job was in vain, and since when, kept with it. */
export interface Course {
  /** Times a report was not as it should be. */
  readonly faults: number;
  /** Milliseconds since 1970; null: it was not. */
  readonly since: number | null;
  again(): Promise<void>;
  fault(): Promise<void>;
}

/** A task that a job is about. */
export interface Handling {
  readonly node: NodeRow;
  readonly task: DistTaskRow;
  readonly course: Course;
}

/** So long in vain that the node will not do it any more. */
export function isLost({ since }: Pick<Course, 'since'>, { settings }: Pick<Parts, 'settings'>): boolean {
  return since !== null && Date.now() - since > settings.lostAfter * 1000;
}

/** Milliseconds until the node may be called; null: now. The breaker of a node that fails is open for a while. */
export function closedFor(node: NodeRow): Again {
  const ms = (node.retryOn?.getTime() ?? 0) - Date.now();
  return ms > 0 ? ms : null;
}

/** Milliseconds for which a node that answered counts as having done so just now. */
const JUST_NOW_MS = 2000;

/** A call reached its end: when no other fails, the breaker closes. `status` is what the node said of itself, if it did. */
export async function nodeAnswered(
  { nodes, ills, log }: Pick<Parts, 'nodes' | 'ills' | 'log'>,
  node: NodeRow,
  step: Step,
  status?: Record<string, unknown>,
): Promise<void> {
  const heals = ills.answered(node.id, step);
  const isBack = heals && node.failures > 0;
  const isNews = status !== undefined || Date.now() - (node.seenOn?.getTime() ?? 0) > JUST_NOW_MS;
  if (isBack) log('info', `node ${node.name} answers again`, { node: node.name });
  if (isBack || isNews) await nodes.saw(node.id, status, heals);
}

/** A call did not reach its end: the node is told apart from what it was asked for. @throws any other error */
export async function nodeFailed(
  { nodes, ills, log }: Pick<Parts, 'nodes' | 'ills' | 'log'>,
  { node, step }: { readonly node: NodeRow; readonly step: Step },
  error: unknown,
): Promise<number> {
  if (!(error instanceof NodeError)) throw error;
  ills.failed(node.id, step);
  const retryOn = await nodes.failed(node, reason(error), error.retryAfterMs);
  if (retryOn === null) return RETRY_MS;
  log('warn', reason(error), { node: node.name, code: error.code });
  return Math.max(RETRY_MS, retryOn.getTime() - Date.now());
}
