import { createRequire } from 'node:module';
import type * as BullMQ from 'bullmq';
import type { JobsOptions, Processor, Queue, Worker, WorkerOptions } from 'bullmq';
import type { Redis } from 'ioredis';
import { within } from '#queue/within.js';

/** Loaded at first use: the API answers before it is needed. */
export const bullmq = (): typeof BullMQ => createRequire(import.meta.url)('bullmq') as typeof BullMQ;

/** Before the name of each key: the Redis of a lab may be shared. */
const PREFIX = 'malkoha-dist';
/** The queue of what is not about one node. */
const HOUSE = 'house';

/** What is done at one node. `id` is of a task, or of a removal; `look` has none. */
export type NodeJobName = 'submit' | 'bring' | 'remove' | 'look';
export type HouseJobName = 'place' | 'reconcile';

export interface JobData {
  readonly id: number | null;
  readonly faults?: number;
  /** Milliseconds since 1970. */
  readonly since?: number;
}

/** Smaller goes first: what a node says of itself decides about the rest, and what it holds is fetched before it is given more. */
const PRIORITY = { look: 1, bring: 2, submit: 3, remove: 4 } as const satisfies Record<NodeJobName, number>;

/**
 * Milliseconds: how long a job of a killed controller stays its own, and how often somebody looks for such. Locks are
 * renewed twice in that time, whatever the job waits for.
 */
const LOCK = { lockDuration: 15_000, stalledInterval: 10_000 } as const;

const DONE = { removeOnComplete: true, removeOnFail: true } as const;

/**
 * The work of all controllers, over one Redis. SQL says what is to be done; a job says that somebody should do it now. The
 * same work is never under way twice, and work that is asked for while it is under way is done once more afterwards.
 */
export class Jobs implements AsyncDisposable {
  readonly #queues = new Map<string, Queue<JobData>>();

  constructor(
    private readonly redis: Redis,
    private readonly onError: (error: Error) => void,
  ) {}

  /** @throws QUEUE_UNAVAILABLE; the reconciler then asks again */
  async house(name: HouseJobName): Promise<void> {
    await within(this.#queue(HOUSE).add(name, { id: null }, once(name)));
  }

  /** @throws QUEUE_UNAVAILABLE; the reconciler then asks again */
  async at(nodeId: number, name: NodeJobName, ids: readonly (number | null)[]): Promise<void> {
    if (ids.length === 0) return;
    const options = (id: number | null): JobsOptions => ({
      ...once(`${name}-${id ?? ''}`),
      priority: PRIORITY[name],
    });
    await within(this.#node(nodeId).addBulk(ids.map((id) => ({ name, data: { id }, opts: options(id) }))));
  }

  /** The node is gone: nothing more is to be done there. */
  async forget(nodeId: number): Promise<void> {
    await this.#node(nodeId).obliterate({ force: true });
  }

  worker(
    of: number | 'house',
    process: Processor<JobData>,
    options: Pick<WorkerOptions, 'concurrency'>,
  ): Worker<JobData> {
    const name = of === 'house' ? HOUSE : nodeQueue(of);
    const worker = new (bullmq().Worker)<JobData>(name, process, {
      connection: this.redis,
      prefix: PREFIX,
      ...LOCK,
      // However often its controllers are killed: SQL counts the attempts that matter.
      maxStalledCount: 1000,
      ...options,
    });
    worker.on('error', this.onError);
    return worker;
  }

  /** One at a time among all controllers: two that place at once would each give a node what it has room for. */
  async oneAtATime(): Promise<void> {
    await within(this.#queue(HOUSE).setGlobalConcurrency(1));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#queues.values()].map((queue) => queue.close().catch(this.onError)));
    this.#queues.clear();
  }

  #node(nodeId: number): Queue<JobData> {
    return this.#queue(nodeQueue(nodeId));
  }

  #queue(name: string): Queue<JobData> {
    const known = this.#queues.get(name);
    if (known) return known;
    const queue: Queue<JobData> = new (bullmq().Queue)<JobData>(name, {
      connection: this.redis,
      prefix: PREFIX,
      defaultJobOptions: DONE,
    });
    queue.on('error', this.onError);
    this.#queues.set(name, queue);
    return queue;
  }
}

function nodeQueue(nodeId: number): string {
  return `node-${nodeId}`;
}

function once(id: string): JobsOptions {
  return { ...DONE, deduplication: { id, keepLastIfActive: true } };
}
