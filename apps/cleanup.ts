/**
 * What must be undone, in reverse order, whatever happens: AsyncDisposableStack, which Node 20 lacks. A step that
 * fails is told to `onFailure` and does not keep the others from running.
 */
export class Cleanup implements AsyncDisposable {
  #steps: (() => unknown)[] = [];

  constructor(private readonly onFailure: (error: unknown) => void = () => {}) {}

  use<T extends AsyncDisposable>(resource: T): T {
    this.defer(() => resource[Symbol.asyncDispose]());
    return resource;
  }

  defer(step: () => unknown): void {
    this.#steps.push(step);
  }

  /** Hands the duty over: this one has nothing left to do. */
  move(): Cleanup {
    const next = new Cleanup(this.onFailure);
    next.#steps = this.#steps;
    this.#steps = [];
    return next;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        this.onFailure(error);
      }
    }
  }
}
