import type { NodeRow } from '#distribution/entities/node.entity.js';
import type { Dialect } from '#nodes/dialect.js';
import type { NodeClient, NodeLimits } from '#nodes/node.js';
import { openNode } from '#nodes/open.js';

/** One client for each node, with its connections, kept for as long as its address stays the same. */
export class Clients implements Disposable {
  readonly #open = new Map<number, { readonly address: string; readonly client: NodeClient }>();

  constructor(readonly limits: NodeLimits) {}

  of({ id, name, url, token, dialect }: NodeRow): NodeClient {
    const address = JSON.stringify([name, url, token, dialect]);
    const known = this.#open.get(id);
    if (known?.address === address) return known.client;
    known?.client.close();
    const client = openNode({ name, url, token }, dialect as Dialect, this.limits);
    this.#open.set(id, { address, client });
    return client;
  }

  forget(nodeId: number): void {
    this.#open.get(nodeId)?.client.close();
    this.#open.delete(nodeId);
  }

  [Symbol.dispose](): void {
    for (const { client } of this.#open.values()) client.close();
    this.#open.clear();
  }
}
