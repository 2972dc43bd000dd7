import { SandboxError } from '#domain/errors.js';
import { untilSettled } from '../../../until.js';
import type { OwnSaved } from './parts.js';

/**
 * Templates that are being made. Going to a snapshot of gigabytes takes longer than a machine may take to be ready: so
 * each is made once, for as long as it takes, whoever stops waiting. Disposing of this ends all.
 */
export class Makings implements AsyncDisposable {
  readonly #life = new AbortController();
  readonly #going = new Map<string, Promise<OwnSaved>>();

  /**
   * Waits for the template of a machine, whose making `make` begins when it is not under way. What went wrong while
   * nobody waited is thrown at the next who asks.
   *
   * @throws MACHINE_START_FAILED when the caller's time is up before it is done
   */
  async join(
    machine: string,
    make: (signal: AbortSignal) => Promise<OwnSaved>,
    signal: AbortSignal,
  ): Promise<OwnSaved> {
    this.#life.signal.throwIfAborted();
    const making = this.#going.get(machine) ?? this.#begin(machine, make);
    try {
      return await untilSettled(making, signal);
    } catch (cause) {
      if (!signal.aborted) {
        this.#going.delete(machine);
        throw cause;
      }
      if (!isTimeout(signal.reason)) throw cause;
      throw new SandboxError(
        'MACHINE_START_FAILED',
        `${machine}: its template is being made, which goes on; it is there at one of the next tries`,
        { cause },
      );
    }
  }

  #begin(machine: string, make: (signal: AbortSignal) => Promise<OwnSaved>): Promise<OwnSaved> {
    const making = make(this.#life.signal);
    this.#going.set(machine, making);
    making.then(
      () => this.#going.delete(machine), // from now on it is found on the disk
      () => undefined, // kept for who asks next
    );
    return making;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.abort(new SandboxError('MACHINE_START_FAILED', 'the machinery is closing'));
    await Promise.allSettled(this.#going.values());
  }
}

function isTimeout(why: unknown): boolean {
  return why instanceof DOMException && why.name === 'TimeoutError';
}
