import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { openSync, closeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process that is started again whenever it ends, until it is told to stop: what systemd would do for it. */
export class Supervised {
  #child: ChildProcess;
  #stopping = false;
  readonly #kept: Promise<void>;
  /** Times it was killed by us. */
  kills = 0;

  constructor(
    readonly name: string,
    private readonly args: readonly string[],
    private readonly logFile: string,
  ) {
    this.#child = this.#spawn();
    this.#kept = this.#keep();
  }

  /** kill -9, in whatever it is doing. */
  kill(): void {
    if (this.#child.kill('SIGKILL')) this.kills += 1;
  }

  /** SIGTERM; what it takes to end by itself is not bounded here, the test is. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#child.kill('SIGTERM');
    await this.#kept;
  }

  async #keep(): Promise<void> {
    for (;;) {
      if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
      if (!this.#stopping) await sleep(100);
      if (this.#stopping) return;
      this.#child = this.#spawn();
    }
  }

  #spawn(): ChildProcess {
    const log = openSync(this.logFile, 'a');
    try {
      return spawn(process.execPath, [...this.args], {
        stdio: ['ignore', 'ignore', log],
        env: { ...process.env, NODE_OPTIONS: '', MALKOHA_LOG: 'info' },
      });
    } finally {
      closeSync(log);
    }
  }
}
