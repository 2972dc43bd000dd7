import type { IncomingHttpHeaders } from 'node:http';
import type { z } from 'zod';
import type { Fields } from './body.js';
import {
  created,
  isNoReport,
  isNoTask,
  listed,
  machines,
  MARK_OPTION,
  mustBeTaken,
  status,
  viewed,
  type CapeTask,
} from './cape-shapes.js';
import { NodeError } from './error.js';
import type { NodeHttp } from './http.js';
import type { FetchedReport, NodeClient, NodeMachines, NodeStatus, RemoteTask, Work } from './node.js';
import { kindOf } from './report-kind.js';
import { fieldsOf } from './submission.js';

/** Tasks of one page of tasks/list: as many as api.conf of the node allows unless changed. */
const PAGE = 50;
/** Of a node that does not look for options. */
const MOST_PAGES = 100;
/** What must not be deleted now: a machine or the processing works on it. */
const UNDER_WAY: readonly string[] = ['running', 'completed'];
/** Of GET machines/list/. */
const MACHINES_BYTES = 1024 * 1024;
/** Of one page of tasks. */
const LIST_BYTES = 4 * 1024 * 1024;
/** Statuses that its own refusals come with, beside 200. */
const REFUSALS = [400, 404];

/**
 * CAPE's apiv2; the base URL ends in /apiv2/, every path in a slash, and `http` sends the token as `Token` (spec
 * rest-api.md §6).
 */
export class CapeNode implements NodeClient {
  readonly dialect = 'cape';
  readonly events = null;

  constructor(private readonly http: NodeHttp) {}

  async status(signal: AbortSignal): Promise<NodeStatus> {
    return this.#get('cuckoo/status/', status, signal);
  }

  async machines(signal: AbortSignal): Promise<NodeMachines> {
    return this.#get('machines/list/', machines, signal, MACHINES_BYTES);
  }

  async submit(work: Work, signal: AbortSignal): Promise<number> {
    const { file, target } = work;
    const ask = { path: `tasks/create/${file === null ? 'url' : 'file'}/` };
    const fields = capeFields(work);
    const answer =
      file === null
        ? await this.http.json({ ...ask, form: { ...fields, url: target } }, signal)
        : await this.http.upload(ask, { fields, file: { path: file, name: target } }, signal);
    mustBeTaken(this.#what(ask.path), answer);
    return this.#one(this.http.read(created, ask, answer), signal);
  }

  /**
   * One call, as the node looks for the option that carries the mark. A node too old to do that lists everything, 50
   * tasks a call: beyond 5,000 it is given up, and nothing is known. They come in the order of their ends, so there is no
   * part of the list in which a task must be that was submitted of late.
   */
  async find(mark: string, signal: AbortSignal): Promise<readonly RemoteTask[]> {
    const found: RemoteTask[] = [];
    for (let page = 0, offset = 0; page < MOST_PAGES; page++) {
      const path = `tasks/list/${PAGE}/${offset}/?option=${encodeURIComponent(mark)}`;
      const { tasks, limit } = await this.#get(path, listed, signal, LIST_BYTES);
      found.push(...tasks.filter((task) => task.mark === mark));
      if (tasks.length < limit) return found.sort((a, b) => a.id - b.id);
      offset += tasks.length;
    }
    const many = 'it does not look for options, and has more tasks than can be gone through';
    throw new NodeError('NODE_ODD', `${this.#what('tasks/list/')}: ${many}`, { unclear: true });
  }

  async view(id: number, signal: AbortSignal): Promise<CapeTask | null> {
    const ask = { path: `tasks/view/${id}/`, accept: REFUSALS };
    const answer = await this.http.json(ask, signal);
    if (isNoTask(answer)) return null;
    mustBeTaken(this.#what(ask.path), answer);
    if (REFUSALS.includes(answer.status)) throw this.http.refusal(ask, answer);
    const task = this.http.read(viewed, ask, answer);
    return { ...task, reason: task.reason && this.http.hide(task.reason) };
  }

  /** Its refusals are JSON or pages and come with 200 too; its files are attachments. Archives are zip files there. */
  async fetch(id: number, format: string, path: string, signal: AbortSignal): Promise<FetchedReport> {
    const what = format === 'pcap' ? `pcap/${id}` : `report/${id}/${encodeURIComponent(format)}`;
    const options = {
      kind: kindOf(format),
      missing: isNoReport,
      isReport: (headers: IncomingHttpHeaders) => headers['content-disposition'] !== undefined,
    };
    return this.http.download({ path: `tasks/get/${what}/` }, path, options, signal);
  }

  async remove(id: number, signal: AbortSignal): Promise<boolean> {
    const task = await this.view(id, signal);
    if (task === null) return true;
    if (UNDER_WAY.includes(task.status)) return false;
    // After a restart of the node another task may have taken the place of this one, and is shown for it.
    for (const one of new Set([id, task.id])) {
      if (!(await this.#delete(one, task.own, signal))) return false;
    }
    return true;
  }

  async withdraw(id: number, signal: AbortSignal): Promise<boolean> {
    const task = await this.view(id, signal);
    return task?.status === 'pending' && this.#delete(id, task.own, signal);
  }

  close(): void {
    this.http.close();
  }

  /** Only if it has that status still, as the node sees to. False: it has another one by now. */
  async #delete(id: number, was: string, signal: AbortSignal): Promise<boolean> {
    const ask = { path: `tasks/delete/${id}/${encodeURIComponent(was)}/`, accept: REFUSALS };
    const answer = await this.http.json(ask, signal);
    try {
      mustBeTaken(this.#what(`tasks/delete/${id}/`), answer);
    } catch (error) {
      const now = await this.view(id, signal);
      if (now?.own === was) throw error;
      return now === null;
    }
    if (REFUSALS.includes(answer.status)) throw this.http.refusal(ask, answer);
    return true;
  }

  /** An archive without a package is unpacked into a task for each member. A task here is one file. */
  async #one([id = 0, ...others]: readonly number[], signal: AbortSignal): Promise<number> {
    if (others.length === 0) return id;
    let left = 0;
    try {
      for (const one of [id, ...others]) if (!(await this.remove(one, signal))) left += 1;
    } catch (error) {
      throw error instanceof NodeError ? error.asUnclear(true) : error;
    }
    const made = `node ${this.http.address.name} unpacked the file into ${others.length + 1} tasks`;
    const fate = left === 0 ? 'were removed again' : `were removed again, but for ${left} that ran already`;
    const advice = 'submit its members one by one, or name the package that takes it whole, such as zip';
    throw new NodeError('NODE_REFUSED', `${made}, which ${fate}: ${advice}`);
  }

  async #get<T>(path: string, schema: z.ZodType<T>, signal: AbortSignal, limit?: number): Promise<T> {
    const ask = { path, ...(limit !== undefined && { limit }) };
    const answer = await this.http.json(ask, signal);
    mustBeTaken(this.#what(path), answer);
    return this.http.read(schema, ask, answer);
  }

  #what(path: string): string {
    return `node ${this.http.address.name}: ${path}`;
  }
}

/**
 * CAPE has no owner: the mark is one more option, as its own distributed mode does with the id of a task; the guest
 * ignores options that it does not know. Architectures are tags there.
 */
function capeFields(work: Work): Fields {
  const { owner: mark, ...fields } = fieldsOf(work);
  const tags = work.arch === null ? work.tags : [...work.tags, work.arch];
  return {
    ...fields,
    options: [withoutMark(work.options ?? ''), `${MARK_OPTION}=${mark}`].filter(Boolean).join(','),
    tags: tags.length === 0 ? null : tags.join(','),
  };
}

/** Ours is the only one. */
function withoutMark(options: string): string {
  const isMark = new RegExp(`^\\s*${MARK_OPTION}\\s*(?:=|$)`, 'i');
  return options
    .split(',')
    .filter((pair) => !isMark.test(pair))
    .join(',');
}
