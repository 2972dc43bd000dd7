import type { Finding } from '../finding.js';
import { Refusal, type Client, type Fields, type Init } from './client.js';
import * as answers from './node-answers.js';

/** What operators ask the Distributed API for about its nodes. */
export class NodeOperator {
  constructor(private readonly client: Client) {}

  /** In the order of their names. */
  async list(): Promise<readonly answers.Node[]> {
    const { nodes } = await this.client.ask('/api/node', answers.nodes);
    return Object.values(nodes).sort((a, b) => a.name.localeCompare(b.name));
  }

  /** Null: there is none of that name. */
  async find(name: string): Promise<answers.Node | null> {
    const { nodes } = await this.client.ask(path(name), answers.nodes);
    return Object.hasOwn(nodes, name) ? (nodes[name] ?? null) : null;
  }

  /** @throws Refusal naming those there are */
  async get(name: string): Promise<answers.Node> {
    const found = await this.find(name);
    if (found !== null) return found;
    const names = (await this.list()).map((node) => node.name);
    const known = names.length === 0 ? 'there are none yet' : `there are ${names.join(', ')}`;
    throw new Refusal(404, `there is no node ${JSON.stringify(name)}; ${known}`);
  }

  async add(fields: Fields): Promise<void> {
    await this.#do('POST', '/api/node', fields);
  }

  async change(name: string, fields: Fields): Promise<void> {
    await this.#do('PUT', path(name), fields);
  }

  async disable(name: string): Promise<void> {
    await this.#do('DELETE', path(name));
  }

  async refresh(name: string): Promise<void> {
    await this.#do('POST', `${path(name)}/refresh`);
  }

  /** Answers how many tasks, which could run nowhere else, failed. */
  async remove(name: string, fields: Fields): Promise<number> {
    const init: Init = { method: 'POST', body: new URLSearchParams(fields) };
    const { failed = 0 } = await this.client.ask(`${path(name)}/remove`, answers.removed, init);
    return failed;
  }

  /** What it finds, as it finds it. */
  check(name: string, fields: Fields): AsyncIterable<Finding> {
    const init: Init = { method: 'POST', body: new URLSearchParams(fields) };
    return this.client.lines(`${path(name)}/check`, answers.finding, init);
  }

  async #do(method: 'POST' | 'PUT' | 'DELETE', where: string, fields: Fields = {}): Promise<void> {
    const body = method === 'DELETE' ? {} : { body: new URLSearchParams(fields) };
    await this.client.ask(where, answers.done, { method, ...body });
  }
}

function path(name: string): string {
  return `/api/node/${encodeURIComponent(name)}`;
}
