/** What can go wrong at a node by itself. */
export type Step = 'look' | 'view' | 'submit' | 'report' | 'remove';

/**
 * Which steps fail at which nodes. A node that says how it is, and breaks off every upload, is not well: only when nothing
 * fails there any more are its failures forgotten.
 */
export class Ills {
  readonly #failing = new Map<number, Set<Step>>();

  failed(nodeId: number, step: Step): void {
    const failing = this.#failing.get(nodeId) ?? new Set();
    this.#failing.set(nodeId, failing.add(step));
  }

  /** True when nothing fails there (any more). */
  answered(nodeId: number, step: Step): boolean {
    const failing = this.#failing.get(nodeId);
    failing?.delete(step);
    return failing === undefined || failing.size === 0;
  }

  /** It is reached in another way now. */
  forget(nodeId: number): void {
    this.#failing.delete(nodeId);
  }
}
