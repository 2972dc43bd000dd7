import { reason } from '#domain/errors.js';
import type { MachineChange, Machines } from '#storage/machines.js';
import type { Log } from '../log.js';

/** Milliseconds until what the database did not take is written again. */
const AGAIN_MS = 2_000;
/** Milliseconds that changes are gathered: a machine of a busy lab changes many times a second, and people look at it. */
const GATHER_MS = 250;

/** Tells the database what the machines do, the last word on each only. */
export class MachineStates implements AsyncDisposable {
  readonly #pending = new Map<string, MachineChange>();
  #timer: NodeJS.Timeout | undefined;
  #ending = false;
  #writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly machines: Machines,
    private readonly log: Log,
  ) {}

  changed(name: string, change: MachineChange): void {
    this.#pending.set(name, { ...this.#pending.get(name), ...change });
    this.#timer ??= setTimeout(() => void this.#flush(), GATHER_MS);
  }

  /** Writes what is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending = true;
    await this.#flush();
  }

  async #flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const changes = [...this.#pending];
    this.#pending.clear();
    this.#writing = this.#writing.then(() => this.#write(changes));
    await this.#writing;
  }

  async #write(changes: readonly (readonly [string, MachineChange])[]): Promise<void> {
    await this.machines.updateAll(new Map(changes)).catch((error: unknown) => {
      this.log('warn', `machine states not stored: ${reason(error)}`);
      for (const [name, change] of changes) {
        if (!this.#pending.has(name)) this.#pending.set(name, change);
      }
      if (!this.#ending) this.#timer ??= setTimeout(() => void this.#flush(), AGAIN_MS);
    });
  }
}
