import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { ENVIRONMENT, type Program } from './command.js';

/**
 * A program that prints a line when the kernel changed; `look` then sees what is so now. A burst of lines makes two looks:
 * one at once, and one after the last of them.
 */
export class Monitor implements AsyncDisposable {
  #wanted = false;
  #looking: Promise<void> | null = null;
  #ended = false;
  readonly #child;

  constructor(
    program: Program,
    args: readonly string[],
    private readonly look: () => Promise<void>,
    private readonly failed: (error: unknown) => void,
  ) {
    this.#child = spawn(program, args, { env: ENVIRONMENT, stdio: ['ignore', 'pipe', 'ignore'] });
    this.#child.stdout.on('data', () => void this.looked());
    this.#child.once('error', failed);
    this.#child.once('exit', () => {
      if (!this.#ended)
        failed(new Error(`\`${[program, ...args].join(' ')}\` ended: changes would go unnoticed`));
    });
  }

  /** Resolves after a look that began no earlier than now. */
  looked(): Promise<void> {
    this.#wanted = true;
    this.#looking ??= this.#lookAround().finally(() => (this.#looking = null));
    return this.#looking;
  }

  async #lookAround(): Promise<void> {
    try {
      while (this.#wanted && !this.#ended) {
        this.#wanted = false;
        await this.look();
      }
    } catch (error) {
      this.failed(error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = once(this.#child, 'exit');
      this.#child.kill();
      await exited;
    }
    await this.#looking;
  }
}
