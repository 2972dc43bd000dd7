import { quoted, TABLE } from './base-rules.js';
import { nft } from './kernel.js';
import { links } from './links.js';
import { Monitor } from './monitor.js';

/**
 * Keeps the set of the ports of the guests' bridges in step with the kernel: between them nothing passes. Ports come
 * when machines start, under names that nobody knows before, and not every kernel can match the bridge itself.
 */
export class BridgePorts implements AsyncDisposable {
  #known = '';

  private constructor(
    private readonly interfaces: ReadonlySet<string>,
    private readonly monitor: Monitor,
  ) {}

  static async watch(
    interfaces: ReadonlySet<string>,
    failed: (error: unknown) => void,
  ): Promise<BridgePorts> {
    const look = (): Promise<void> => ports.refresh();
    const monitor = new Monitor('ip', ['monitor', 'link'], look, failed);
    const ports = new BridgePorts(interfaces, monitor);
    await monitor.looked();
    return ports;
  }

  /** The set is empty again. */
  forget(): Promise<void> {
    this.#known = '';
    return this.monitor.looked();
  }

  async refresh(): Promise<void> {
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

  async [Symbol.asyncDispose](): Promise<void> {
    await this.monitor[Symbol.asyncDispose]();
  }
}
