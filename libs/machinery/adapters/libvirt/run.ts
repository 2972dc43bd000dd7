import { SandboxError } from '#domain/errors.js';

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

  lose(why: string): void {
    if (this.#begun) this.#lost.abort(new SandboxError('GUEST_LOST', why));
  }
}
