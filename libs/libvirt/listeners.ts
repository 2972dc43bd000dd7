/** Who wants to be told. A listener that throws is a defect, and is reported as an uncaught error, on its own. */
export class Listeners<T> {
  readonly #all = new Set<{ readonly tell: (value: T) => void }>();

  /** @returns its removal */
  add(tell: (value: T) => void): () => void {
    const entry = { tell }; // the same function may be added twice
    this.#all.add(entry);
    return () => void this.#all.delete(entry);
  }

  tell(value: T): void {
    for (const { tell } of [...this.#all]) {
      try {
        tell(value);
      } catch (error) {
        // Not to be taken for a defect of the connection that brought the news.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
