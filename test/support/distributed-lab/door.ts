import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LabNode } from './node.js';
import { formOf, type Submission } from './submissions.js';

/** Milliseconds until somebody is asked again. */
const AGAIN_MS = 200;
/** A controller, or the node, may be killed so often in the middle of a registration. */
const TRIES = 100;

/** A client of the Distributed API that does not give up, whatever is killed meanwhile. */
export class Door {
  /** `urls` are of the controllers, without a slash at the end; after `over` nothing is asked any more. */
  constructor(
    private readonly urls: readonly string[],
    private readonly over: AbortSignal,
  ) {}

  /** Its id. The key makes all tries the same request. */
  async submit(what: Submission, pinTo: string): Promise<number> {
    const headers = { 'Idempotency-Key': randomUUID() };
    const body = await formOf(what, pinTo);
    const answer = await this.#insist('api/task', { method: 'POST', headers, body });
    return ((await answer.json()) as { task_id: number }).task_id;
  }

  async delete(task: number): Promise<void> {
    await this.#insist(`api/task/${task}`, { method: 'DELETE' });
  }

  /** Until it is registered: an answer may get lost with whoever gave it. */
  async register({ name, url, token }: LabNode): Promise<void> {
    const body = new URLSearchParams({ name, url, ...(token !== '' && { token }) });
    await this.#until(name, true, 'api/node', body);
  }

  /** Until it is gone, and what it had is given up. */
  async takeOut({ name }: LabNode): Promise<void> {
    await this.#until(name, false, `api/node/${name}/remove`, new URLSearchParams({ force: '1' }));
  }

  /** Asks any of them until one answers with something better than "not now". @throws what it was refused with */
  async #insist(path: string, init: RequestInit = {}): Promise<Response> {
    for (;;) {
      const answer = await this.#ask(path, init);
      if (answer?.ok === true) return answer;
      // 409: the same request is still being answered, by one that may have been killed meanwhile.
      if (answer !== null && answer.status < 500 && answer.status !== 409)
        throw new Error(`${init.method ?? 'GET'} ${path}: ${answer.status} ${await answer.text()}`);
      await answer?.body?.cancel();
      await sleep(AGAIN_MS, undefined, { signal: this.over });
    }
  }

  async #until(node: string, known: boolean, path: string, body: URLSearchParams): Promise<void> {
    let said = '';
    for (let tries = 0; (await this.#isKnown(node)) !== known; tries += 1) {
      if (tries === TRIES) throw new Error(`${path}: ${said}`);
      if (tries > 0) await sleep(AGAIN_MS, undefined, { signal: this.over });
      const answer = await this.#ask(path, { method: 'POST', body });
      said = `${answer?.status ?? 'no answer'} ${(await answer?.text().catch(() => '')) ?? ''}`;
    }
  }

  async #isKnown(node: string): Promise<boolean> {
    const answer = await this.#insist('api/node');
    return node in ((await answer.json()) as { nodes: object }).nodes;
  }

  /** Null: there was no answer. */
  async #ask(path: string, init: RequestInit): Promise<Response | null> {
    const url = this.urls[randomInt(this.urls.length)] ?? '';
    return fetch(`${url}/${path}`, { ...init, signal: this.over }).catch(() => null);
  }
}
