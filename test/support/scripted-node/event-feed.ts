import type { ServerResponse } from 'node:http';
import type { NodeTask, NodeTaskStatus } from './options.js';

const KEPT = 1000;
const KEEPALIVE_MS = 15_000;

interface Logged {
  readonly id: string;
  readonly frame: string;
}

/** What happens to the tasks of a Malkoha node, as server-sent events with ids. */
export class EventFeed {
  readonly #listeners = new Set<ServerResponse>();
  #log: Logged[] = [];
  /** Of the newest that is not kept any more. */
  #forgotten = `${Date.now()}-0`;
  #last = this.#forgotten;

  add(task: NodeTask, what: NodeTaskStatus | 'deleted'): void {
    const at = new Date().toISOString();
    const event =
      what === 'deleted'
        ? { kind: 'deleted', task: task.id, at }
        : { kind: 'status', task: task.id, status: what, at };
    const id = this.#next();
    const frame = `id: ${id}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`;
    this.#log.push({ id, frame });
    if (this.#log.length > KEPT) this.#forgotten = this.#log.shift()?.id ?? this.#forgotten;
    for (const listener of this.#listeners) listener.write(frame);
  }

  /** As after a restart of Redis: who was connected before has missed something. */
  forget(): void {
    this.#log = [];
    this.#forgotten = this.#last;
  }

  /** Answers with what comes, or came after the event `after`, until the client goes. */
  open(response: ServerResponse, after: string | null): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' });
    response.write(`retry: 3000\nid: ${after ?? this.#last}\n\n`);
    if (after !== null) this.#resume(response, after);
    this.#listeners.add(response);
    const keepalive = setInterval(() => response.write(': still here\n\n'), KEEPALIVE_MS).unref();
    response.on('close', () => {
      clearInterval(keepalive);
      this.#listeners.delete(response);
    });
  }

  #resume(response: ServerResponse, after: string): void {
    if (isLater(this.#forgotten, after)) {
      const data = JSON.stringify({ kind: 'missed', at: new Date().toISOString(), after, tasks: {} });
      response.write(`event: missed\ndata: ${data}\n\n`);
    }
    for (const { id, frame } of this.#log) if (isLater(id, after)) response.write(frame);
  }

  #next(): string {
    const now = `${Date.now()}-0`;
    const [ms = '0', n = '0'] = this.#last.split('-');
    return (this.#last = isLater(now, this.#last) ? now : `${ms}-${Number(n) + 1}`);
  }
}

function isLater(a: string, b: string): boolean {
  const [ms = 0, n = 0] = a.split('-').map(Number);
  const [otherMs = 0, otherN = 0] = b.split('-').map(Number);
  return ms === otherMs ? n > otherN : ms > otherMs;
}
