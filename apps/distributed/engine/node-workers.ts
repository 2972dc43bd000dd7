import type { Job, Worker } from 'bullmq';
import { reason, SandboxError } from '#domain/errors.js';
import type { NodeRow } from '#distribution/entities/node.entity.js';
import { linkedSignal } from '#machinery/linked-signal.js';
import { bring } from './bring.js';
import { closeSoon } from './close-soon.js';
import { bullmq, type JobData, type NodeJobName } from './jobs.js';
import { listen } from './listen.js';
import { look, type LastLooks } from './look.js';
import type { LaneWants } from './place.js';
import { RETRY_MS, type Again, type Parts } from './parts.js';
import { remove } from './remove.js';
import { submit } from './submit.js';

/** Jobs of one node that one controller does at once. Each node has its own: a slow one delays nobody. */
const AT_ONCE = 8;

export interface WorkerParts extends Parts {
  readonly heard: Set<number>;
  readonly lastLooks: LastLooks;
  readonly wants: LaneWants;
}

/** Milliseconds after which a job looks again whether it can be done: what made it wait may be over before its time. */
const LONGEST_MS = 15_000;

interface Open {
  /** What the connection to it depends on. */
  readonly address: string;
  readonly worker: Worker<JobData>;
  readonly end: AbortController;
  readonly listening: Promise<void>;
}

/** This controller's part of the work at each node: a BullMQ worker and an ear on its events. */
export class NodeWorkers implements AsyncDisposable {
  readonly #open = new Map<number, Open>();
  #syncing: Promise<void> = Promise.resolve();
  #ended = false;

  constructor(private readonly parts: WorkerParts) {}

  /** Ids of those there are. */
  get nodes(): readonly number[] {
    return [...this.#open.keys()];
  }

  /** Opens and closes as the table of nodes says now. */
  async sync(): Promise<void> {
    this.#syncing = this.#syncing.then(() => this.#sync());
    return this.#syncing;
  }

  async #sync(): Promise<void> {
    if (this.#ended) return;
    const { nodes, jobs, log } = this.parts;
    try {
      const rows = await nodes.list();
      for (const row of rows) {
        if (this.#open.get(row.id)?.address === addressOf(row)) continue;
        await this.#close(row.id);
        this.#open.set(row.id, this.#start(row));
      }
      const known = new Set(rows.map(({ id }) => id));
      for (const id of this.#open.keys()) {
        if (known.has(id)) continue;
        await this.#close(id);
        await jobs.forget(id);
      }
    } catch (error) {
      log('warn', `the nodes were not read: ${reason(error)}`); // they are again in a moment
    }
  }

  #start(node: NodeRow): Open {
    const { parts } = this;
    const end = new AbortController();
    const worker = parts.jobs.worker(
      node.id,
      (job, token, signal) => this.#work(node.id, { job, token, signal, end: end.signal }),
      { concurrency: AT_ONCE },
    );
    const listening = listen(parts, node, parts.clients.of(node), end.signal);
    return { address: addressOf(node), worker, end, listening };
  }

  /** A job that cannot be done now is put off, never lost: even what nobody foresaw is tried again. */
  async #work(nodeId: number, { job, token, signal, end }: Working): Promise<void> {
    using both = linkedSignal(signal === undefined ? [end] : [signal, end], null);
    let again: Again;
    try {
      again = await this.#step(nodeId, job, both.signal);
    } catch (error) {
      again = end.aborted ? 0 : RETRY_MS;
      if (!end.aborted) {
        const code = error instanceof SandboxError ? error.code : 'INTERNAL';
        this.parts.log('error', `${job.name}: ${reason(error)}`, {
          stage: job.name,
          code,
          task: job.data.id,
        });
      }
    }
    if (again === null || job.name === 'look') return;
    await job.moveToDelayed(Date.now() + Math.min(again, LONGEST_MS), token);
    throw new (bullmq().DelayedError)();
  }

  async #step(nodeId: number, job: Job<JobData>, signal: AbortSignal): Promise<Again> {
    const { parts } = this;
    const node = await parts.nodes.byId(nodeId);
    if (node === null) return null;
    const { id, faults = 0, since = null } = job.data;
    const again = () => job.updateData({ ...job.data, since: since ?? Date.now() });
    const fault = () => job.updateData({ ...job.data, faults: faults + 1 });
    const what = { taskId: id ?? 0, course: { faults, since, again, fault } };
    switch (job.name as NodeJobName) {
      case 'submit':
        return submit(parts, node, what, signal);
      case 'bring':
        return bring(parts, node, what, signal);
      case 'remove':
        return remove(parts, node, id ?? 0, signal);
      case 'look':
        await look(parts, node, signal);
        return null;
    }
  }

  async #close(id: number): Promise<void> {
    const open = this.#open.get(id);
    if (open === undefined) return;
    this.#open.delete(id);
    this.parts.clients.forget(id);
    this.parts.ills.forget(id);
    open.end.abort();
    await Promise.all([closeSoon(open.worker), open.listening]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    await this.#syncing;
    await Promise.all([...this.#open.keys()].map((id) => this.#close(id)));
  }
}

interface Working {
  readonly job: Job<JobData>;
  readonly token: string | undefined;
  /** Of BullMQ: it is told to end this one. */
  readonly signal: AbortSignal | undefined;
  readonly end: AbortSignal;
}

function addressOf({ url, token, dialect }: NodeRow): string {
  return JSON.stringify([url, token, dialect]);
}
