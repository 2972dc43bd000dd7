/** Ends that are kept of tasks nobody knew when they came. */
const KEPT = 10_000;

/**
 * A fast node tells of a task's end before its answer to the submission is here, and noted. Ends of tasks that are not
 * known (yet) are kept a while; those of strangers fall out at the other end.
 */
export class EarlyEnds {
  readonly #ends = new Set<string>();

  add(nodeId: number, remoteId: number): void {
    this.#ends.add(`${nodeId} ${remoteId}`);
    if (this.#ends.size <= KEPT) return;
    const [oldest] = this.#ends;
    if (oldest !== undefined) this.#ends.delete(oldest);
  }

  /** True when its end was told before. */
  take(nodeId: number, remoteId: number): boolean {
    return this.#ends.delete(`${nodeId} ${remoteId}`);
  }

  /** Its events were lost, or its ids begin anew. */
  forget(nodeId: number): void {
    for (const end of this.#ends) if (end.startsWith(`${nodeId} `)) this.#ends.delete(end);
  }
}
