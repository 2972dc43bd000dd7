/** Runs `work` now, and then at most once in `ms` milliseconds, however often it is asked to; the last wish is kept. */
export class Seldom implements Disposable {
  #timer: NodeJS.Timeout | undefined;
  #again = false;

  /** `work` must not throw. */
  constructor(
    private readonly ms: number,
    private readonly work: () => void,
  ) {}

  ask(): void {
    if (this.#timer !== undefined) {
      this.#again = true;
      return;
    }
    this.work();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (!this.#again) return;
      this.#again = false;
      this.ask();
    }, this.ms).unref();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
