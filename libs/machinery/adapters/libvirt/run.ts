import { SandboxError } from '#domain/errors.js';
import type { End } from './power.js';

/** One run of a machine, from its start to its stop. Before the start, who asks already gets its signal. */
export class Run {
  readonly #lost = new AbortController();
  #begun = false;

  get begun(): boolean {
    return this.#begun;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  begin(): void {
    this.#begun = true;
  }

  lose({ code, why }: End): void {
    if (this.#begun) this.#lost.abort(new SandboxError(code, why));
  }
}
