import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { quoted, TABLE } from './base-rules.js';
import { ENVIRONMENT } from './command.js';
import { nft } from './kernel.js';
import { links } from './links.js';

type Failed = (error: unknown) => void;

/**
 * Keeps the set of the ports of the guests' bridges in step with the kernel: between them nothing passes. Ports come
 * when machines start, under names that nobody knows before, and not every kernel can match the bridge itself.
 */
export class BridgePorts implements AsyncDisposable {
  #known = '';
  #again: 'idle' | 'running' | 'once more' = 'idle';
  #ended = false;
  #work: Promise<void> = Promise.resolve();

  private constructor(
    private readonly interfaces: ReadonlySet<string>,
    private readonly monitor: ReturnType<typeof spawn>,
    private readonly failed: Failed,
  ) {
    monitor.stdout?.on('data', () => this.#changed());
    monitor.once('error', failed);
    monitor.once('exit', () => {
      if (!this.#ended) failed(new Error('`ip monitor link` ended: new ports of bridges would go unnoticed'));
    });
  }

  static async watch(interfaces: ReadonlySet<string>, failed: Failed): Promise<BridgePorts> {
    const monitor = spawn('ip', ['monitor', 'link'], {
      env: ENVIRONMENT,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const ports = new BridgePorts(interfaces, monitor, failed);
    await once(monitor, 'spawn');
    await ports.#refresh();
    return ports;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    if (this.monitor.exitCode === null && this.monitor.signalCode === null) {
      const exited = once(this.monitor, 'exit');
      this.monitor.kill();
      await exited;
    }
    await this.#work;
  }

  /** A burst of events makes two looks: one at once, one after the last of them. */
  #changed(): void {
    if (this.#ended) return;
    if (this.#again !== 'idle') {
      this.#again = 'once more';
      return;
    }
    this.#again = 'running';
    this.#work = this.#look();
  }

  async #look(): Promise<void> {
    try {
      do {
        this.#again = 'running';
        await this.#refresh();
      } while (this.#isWanted());
    } catch (error) {
      this.failed(error);
    } finally {
      this.#again = 'idle';
    }
  }

  /** Events come while a look is under way. */
  #isWanted(): boolean {
    return this.#again === 'once more' && !this.#ended;
  }

  async #refresh(): Promise<void> {
    const ports = (await links())
      .filter(({ master }) => master !== undefined && this.interfaces.has(master))
      .map(({ ifname }) => ifname)
      .sort();
    const elements = ports.map(quoted).join(', ');
    if (elements === this.#known) return;
    const add = ports.length === 0 ? '' : `add element bridge ${TABLE} ports { ${elements} }\n`;
    await nft(`flush set bridge ${TABLE} ports\n${add}`);
    this.#known = elements;
  }
}
