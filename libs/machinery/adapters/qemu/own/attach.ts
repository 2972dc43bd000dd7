import { SandboxError } from '#domain/errors.js';
import type { Given } from '../process.js';
import { connectUnread } from '../wire.js';
import type { OwnQemuMachine } from './machine.js';
import { freePort, TAP_NETDEV, tapOpener, userNetdev, WIRE_NETDEV } from './net.js';
import type { OwnPlan } from './plan.js';
import { openTap } from './tap.js';

/** Where a machine's agent is for a program of this host. */
export interface AgentAddress {
  readonly host: string;
  readonly port: number;
}

export interface World {
  /** Wires a machine whose `interface` is empty or `malkoha`: the unix socket its network card connects to. */
  wire?(machine: OwnQemuMachine): Promise<string>;
  /** Port of 127.0.0.1 where the results of a machine with `interface = user` are taken; else its `resultserver_port`. */
  resultPort?(machine: OwnQemuMachine): Promise<number>;
}

/** How one QEMU is attached to its network. */
export interface Attachment extends Disposable {
  readonly netdev: string;
  /** Stands at FD.net. */
  readonly given: Given;
  readonly before: readonly string[];
  /** Null behind a wire: whoever made the wire knows the way. */
  readonly agent: AgentAddress | null;
}

/** A cable to nowhere. */
export const UNATTACHED: Attachment = {
  ...{ netdev: WIRE_NETDEV, given: 'pipe', before: [], agent: null },
  [Symbol.dispose]: () => undefined,
};

/** The networks of an operator's machines; taps made here go when it is disposed of. */
export class Attachments implements AsyncDisposable {
  readonly #taps = new Map<string, AsyncDisposable>();

  constructor(private readonly world: World) {}

  async attach(plan: OwnPlan, signal: AbortSignal): Promise<Attachment> {
    const { machine, network, perl } = plan;
    switch (network.kind) {
      case 'wire': {
        const path = await this.world.wire?.(machine);
        if (path === undefined) {
          throw new SandboxError(
            'CONFIG_INVALID',
            `${machine.name}: there is no userspace network for it here`,
          );
        }
        const socket = await connectUnread(path, signal);
        return { ...UNATTACHED, given: socket, [Symbol.dispose]: () => void socket.destroy() };
      }
      case 'user': {
        const agent = await freePort();
        const results = (await this.world.resultPort?.(machine)) ?? machine.resultServer.port;
        return {
          ...UNATTACHED,
          given: 'ignore',
          netdev: userNetdev({ machine, agent, results, perl }),
          agent: { host: '127.0.0.1', port: agent },
        };
      }
      case 'bridge': {
        const { tap } = network;
        if (!this.#taps.has(tap)) this.#taps.set(tap, await openTap(network, signal));
        return {
          ...UNATTACHED,
          given: 'ignore',
          netdev: TAP_NETDEV,
          before: tapOpener(perl, tap),
          agent: { host: machine.ip, port: machine.agentPort },
        };
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const tap of this.#taps.values()) await tap[Symbol.asyncDispose]();
    this.#taps.clear();
  }
}
