import { z } from 'zod';
import { quoted } from '#domain/quoted.js';
import { messages } from '#formats/sse.js';
import { CuckooNode, MACHINES_BYTES } from './cuckoo.js';
import { NodeError } from './error.js';
import { parseJson } from './json.js';
import type { NodeEvent, NodeMachines, Work } from './node.js';
import { id, kind, list, MOST_MACHINES, name, printable } from './shape.js';
import { fieldsOf } from './submission.js';

/** Milliseconds without a word: a node that has nothing to tell says so every 15 s. */
const SILENCE_MS = 40_000;

const detail = z.object({ arch: kind, reserved: z.boolean() });
const states = z.object({ machines: list(detail.extend({ name }), MOST_MACHINES) });

/** Null: nothing to act on. */
const event = z.union([
  z
    .object({ kind: z.literal('status'), task: id, status: z.string().max(64).transform(printable) })
    .transform((one) => ({ kind: one.kind, task: one.task, status: one.status })),
  z
    .object({ kind: z.literal('deleted'), task: id })
    .transform((one) => ({ kind: 'status' as const, task: one.task, status: 'deleted' })),
  z.object({ kind: z.literal('missed') }).transform(() => ({ kind: 'look' as const })),
  z.object({ kind: z.string().regex(/^(?!(?:status|deleted|missed)$)/) }).transform(() => null),
]);

/** Another Malkoha. What it adds to Cuckoo's API: keys against double submission, cancelling, events, architectures. */
export class MalkohaNode extends CuckooNode {
  override readonly dialect = 'malkoha';
  override readonly events = (after: string | null, signal: AbortSignal) => this.#events(after, signal);

  override async machines(signal: AbortSignal): Promise<NodeMachines> {
    const [{ machines, raw }, details] = await Promise.all([super.machines(signal), this.#details(signal)]);
    return { machines: machines.map((one) => ({ ...one, ...details.get(one.name) })), raw };
  }

  override async submit(work: Work, signal: AbortSignal): Promise<number> {
    const fields = { ...fieldsOf(work), arch: work.arch };
    // Ours reads percent-encoding in the name of a file.
    const target = work.file === null ? work.target : work.target.replaceAll('%', '%25');
    return this.send({ ...work, target }, fields, { 'idempotency-key': work.mark }, signal);
  }

  override async remove(id: number, signal: AbortSignal): Promise<boolean> {
    const ask = { method: 'POST', path: `tasks/cancel/${id}`, accept: [404, 409] } as const;
    const { status } = await this.http.json(ask, signal);
    // 409: it has ended, or is about to: its report is being written.
    return status === 404 ? (await this.view(id, signal)) === null : this.delete(id, signal);
  }

  override async withdraw(id: number, signal: AbortSignal): Promise<boolean> {
    // A version that does not read the condition would delete it in any state.
    if ((await this.view(id, signal))?.status !== 'pending') return false;
    const ask = { path: `tasks/delete/${id}?status=pending`, accept: [404, 409, 500] };
    return (await this.http.json(ask, signal)).status < 300;
  }

  async *#events(after: string | null, signal: AbortSignal): AsyncGenerator<NodeEvent> {
    const headers = after === null ? {} : { 'last-event-id': after };
    const ask = { path: 'tasks/events', headers: { accept: 'text/event-stream', ...headers } };
    try {
      let first = true;
      for await (const { id, data } of messages(texts(this.http.stream(ask, SILENCE_MS, signal)))) {
        // The node listens from here on: what was before, only a look can show.
        if (first) yield { kind: 'look', id };
        first = false;
        const event = data === null ? null : this.#read(data);
        if (event !== null) yield { ...event, id };
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    if (!signal.aborted)
      throw new NodeError(
        'NODE_UNREACHABLE',
        `node ${this.http.address.name}: it ended its stream of events`,
      );
  }

  #read(data: string): z.infer<typeof event> {
    const parsed = event.safeParse(parseJson(data));
    if (parsed.success) return parsed.data;
    throw new NodeError(
      'NODE_ODD',
      `node ${this.http.address.name} tells of no task: ${quoted(this.http.hide(data))}`,
    );
  }

  /** By the name of the machine; none from a version that does not tell them. */
  async #details(signal: AbortSignal): Promise<ReadonlyMap<string, z.infer<typeof detail>>> {
    const ask = { path: 'machines/states', accept: [404], limit: MACHINES_BYTES };
    const answer = await this.http.json(ask, signal);
    if (answer.status === 404) return new Map();
    const { machines } = this.http.read(states, ask, answer);
    return new Map(machines.map(({ name, arch, reserved }) => [name, { arch, reserved }]));
  }
}

async function* texts(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  for await (const chunk of bytes) yield decoder.decode(chunk, { stream: true });
}
