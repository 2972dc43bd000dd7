import type { z } from 'zod';
import { messageOf, type Answer } from './answer.js';
import type { Fields } from './body.js';
import { created, listed, machines, status, version, viewed } from './cuckoo-shapes.js';
import { NodeError } from './error.js';
import type { Ask, NodeHttp } from './http.js';
import type { FetchedReport, NodeClient, NodeMachines, NodeStatus, RemoteTask, Work } from './node.js';
import { kindOf } from './report-kind.js';
import { fieldsOf } from './submission.js';

/** Versions that keep no owner of a task; what came after 1.2 does. */
const WITHOUT_OWNER = /^[01]\./;
/** Of GET machines/list. */
export const MACHINES_BYTES = 1024 * 1024;
/** Of GET tasks/list: some thousand tasks. */
const LIST_BYTES = 4 * 1024 * 1024;

/** Cuckoo's REST API, of version 2.0.7 and older ones (spec rest-api.md §3). */
export class CuckooNode implements NodeClient {
  readonly dialect: NodeClient['dialect'] = 'cuckoo';
  readonly events: NodeClient['events'] = null;
  #ownerless: boolean | null = null;

  constructor(protected readonly http: NodeHttp) {}

  async status(signal: AbortSignal): Promise<NodeStatus> {
    return this.get('cuckoo/status', status, signal);
  }

  async machines(signal: AbortSignal): Promise<NodeMachines> {
    return this.get('machines/list', machines, signal, MACHINES_BYTES);
  }

  async submit(work: Work, signal: AbortSignal): Promise<number> {
    return this.send(work, await this.#marked(fieldsOf(work), signal), {}, signal);
  }

  /** Old versions list all tasks, whatever they are asked for. */
  async find(mark: string, signal: AbortSignal): Promise<readonly RemoteTask[]> {
    const path = `tasks/list?owner=${encodeURIComponent(mark)}`;
    const tasks = await this.get(path, listed, signal, LIST_BYTES);
    return tasks.filter((task) => task.mark === mark).sort((a, b) => a.id - b.id);
  }

  async view(id: number, signal: AbortSignal): Promise<RemoteTask | null> {
    const ask = { path: `tasks/view/${id}`, accept: [404] };
    const answer = await this.http.json(ask, signal);
    if (isUnknown(answer)) return null;
    if (answer.status === 404) throw this.http.refusal(ask, answer);
    const task = this.http.read(
      viewed.refine((one) => one.id === id, 'it is another task'),
      ask,
      answer,
    );
    return { ...task, reason: task.reason && this.http.hide(task.reason) };
  }

  async fetch(id: number, format: string, path: string, signal: AbortSignal): Promise<FetchedReport> {
    const from = format === 'pcap' ? `pcap/get/${id}` : `tasks/report/${id}/${encodeURIComponent(format)}`;
    return this.http.download({ path: from }, path, { kind: kindOf(format) }, signal);
  }

  async remove(id: number, signal: AbortSignal): Promise<boolean> {
    const task = await this.view(id, signal);
    if (task === null) return true;
    return task.status !== 'running' && this.delete(id, signal);
  }

  async withdraw(id: number, signal: AbortSignal): Promise<boolean> {
    return (await this.view(id, signal))?.status === 'pending' && this.delete(id, signal);
  }

  close(): void {
    this.http.close();
  }

  /** False: it is being worked on. */
  protected async delete(id: number, signal: AbortSignal): Promise<boolean> {
    const ask = { path: `tasks/delete/${id}`, accept: [404, 500] };
    const answer = await this.http.json(ask, signal);
    if (answer.status < 300 || isUnknown(answer)) return true;
    if (answer.status === 500 && messageOf(answer).includes('currently being processed')) return false;
    throw this.http.refusal(ask, answer);
  }

  protected async send(
    { file, target }: Work,
    fields: Fields,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<number> {
    if (file === null) {
      const ask = { path: 'tasks/create/url', form: { ...fields, url: target }, headers };
      return this.#one(this.http.read(created, ask, await this.http.json(ask, signal)), signal);
    }
    const ask = { path: 'tasks/create/file', headers };
    const upload = { fields, file: { path: file, name: target } };
    return this.#one(this.http.read(created, ask, await this.http.upload(ask, upload, signal)), signal);
  }

  protected async get<T>(
    path: string,
    schema: z.ZodType<T>,
    signal: AbortSignal,
    limit?: number,
  ): Promise<T> {
    const ask: Ask = { path, ...(limit !== undefined && { limit }) };
    return this.http.read(schema, ask, await this.http.json(ask, signal));
  }

  /** The modified Cuckoo unpacks containers into a task for each member. A task here is one file. */
  async #one([id = 0, ...others]: readonly number[], signal: AbortSignal): Promise<number> {
    if (others.length === 0) return id;
    try {
      for (const one of [id, ...others]) await this.remove(one, signal);
    } catch (error) {
      throw error instanceof NodeError ? error.asUnclear(true) : error;
    }
    const made = `node ${this.http.address.name} unpacked the file into ${others.length + 1} tasks`;
    throw new NodeError('NODE_REFUSED', `${made}, which were removed again: submit its members one by one`);
  }

  /** Where there is no owner the mark is the last word of `custom`: without it, what was sent could not be found again. */
  async #marked(fields: Fields, signal: AbortSignal): Promise<Fields> {
    try {
      this.#ownerless ??= WITHOUT_OWNER.test(await this.get('cuckoo/status', version, signal));
    } catch (error) {
      // Nothing was sent yet.
      throw error instanceof NodeError ? error.asUnclear(false) : error;
    }
    if (!this.#ownerless) return fields;
    return { ...fields, custom: [fields['custom'], fields['owner']].filter(Boolean).join(' ') };
  }
}

/** It says itself that there is no such task; a page of some server on the way would not mean that. */
function isUnknown({ status: code, text }: Answer): boolean {
  return code === 404 && /task not found/i.test(text);
}
