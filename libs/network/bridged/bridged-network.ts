import { join } from 'node:path';
import { ARTIFACTS } from '#domain/artifacts.js';
import { deadline } from '#domain/deadline.js';
import { reason, SandboxError } from '#domain/errors.js';
import type { Machine, OwnMachine } from '#domain/machine.js';
import { parseOptions } from '#domain/task.js';
import type { FakenetHost } from './fakenet-host.js';
import type { FakenetSession } from './fakenet-session.js';
import { captureFilter, checkBpf } from './filter.js';
import type { GuestRoute, GuestRouter } from './guest-router.js';
import { interfaceNames } from './interfaces.js';
import { leaveOutControl } from './leave-out-control.js';
import { Sightings } from './sightings.js';
import { startTcpdump, type TcpdumpCapture, type TcpdumpStart } from './tcpdump.js';
import { findTcpdump } from './tcpdump-program.js';

/** For the firewall's counters, which are worth a line in the log and no more. */
const COUNTERS_TIMEOUT_MS = 2_000;

/** `[sniffer]` of auxiliary.conf. */
export interface SnifferSettings {
  readonly enabled: boolean;
  readonly tcpdump: string;
  readonly bpf: string;
}

/** A hypervisor's own capture of a guest's network card, from now until disposed. */
export type MachineryCapture = (
  machine: Machine,
  path: string,
  signal: AbortSignal,
) => Promise<AsyncDisposable>;

export interface BridgedTask {
  readonly machine: OwnMachine;
  readonly taskId: number;
  readonly route: string;
  /** Of the submission. */
  readonly options: string | null;
  /** The folder of the run. */
  readonly dir: string;
  readonly sniffer: SnifferSettings;
  /** Captures instead of tcpdump when a machine has the option `nictrace`. */
  readonly capture: MachineryCapture | null;
  /** Null: the guest is left to the host's own firewall. */
  readonly router: GuestRouter | null;
  /** Plays the route `inetsim`, on the machine's result server's address; null: a real one does, or none. */
  readonly fakenet: FakenetHost | null;
  /** Addresses besides the result server's that the route turns the guest's packets to, such as a real INetSim's. */
  readonly turnedTo?: readonly string[];
  /** Something worth a line in the task's log. Must not throw. */
  readonly onNote: (what: string) => void;
}

/** The network of one guest on a bridge or a host-only interface, for one task. */
export interface BridgedNetwork extends AsyncDisposable {
  /** Aborts with CAPTURE_FAILED, NO_DISK_SPACE or ROUTE_UNAVAILABLE when one of its parts fails. */
  readonly failed: AbortSignal;
  setClock(aheadMs: number): void;
  /** Ends it as disposing does, then rejects when a part had failed: evidence is whole, or the task failed. */
  finish(): Promise<void>;
}

/**
 * Closes the guest in, opens its route, then captures; all of it holds when this resolves, before the machine runs. Closes in
 * reverse order: the capture sees the guest until the route has gone.
 *
 * @throws ROUTE_UNAVAILABLE, CAPTURE_FAILED, NO_DISK_SPACE, CONFIG_INVALID for a capture filter that is none
 */
export async function openBridged(task: BridgedTask, signal: AbortSignal): Promise<BridgedNetwork> {
  const network = new OpenNetwork(task);
  try {
    await network.open(signal);
    return network;
  } catch (error) {
    await network[Symbol.asyncDispose]();
    throw error;
  }
}

class OpenNetwork implements BridgedNetwork {
  private readonly failing = new AbortController();
  private readonly sightings: Sightings;
  private session: FakenetSession | null = null;
  private route: GuestRoute | null = null;
  private capture: TcpdumpCapture | AsyncDisposable | null = null;
  private closing: Promise<void> | null = null;

  constructor(private readonly task: BridgedTask) {
    const { machine, turnedTo = [] } = task;
    this.sightings = new Sightings(machine.ip, [machine.resultServer.ip, ...turnedTo]);
  }

  get failed(): AbortSignal {
    return this.failing.signal;
  }

  async open(signal: AbortSignal): Promise<void> {
    // What cannot work is said before anything is opened.
    const begin = await this.captureWith(signal);
    await this.openRoute(signal);
    await begin(signal);
  }

  setClock(aheadMs: number): void {
    this.session?.setClock(aheadMs);
  }

  async finish(): Promise<void> {
    await this[Symbol.asyncDispose]();
    this.failed.throwIfAborted();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return (this.closing ??= this.close());
  }

  private async openRoute(signal: AbortSignal): Promise<void> {
    const { machine, route, router, fakenet, taskId, dir } = this.task;
    if (router === null) return;
    await mustHaveInterface(machine, 'ROUTE_UNAVAILABLE');
    if (route === 'inetsim' && fakenet !== null) {
      const path = join(dir, ARTIFACTS.fakenet);
      const sightings = tracer(this.task) === 'tcpdump' ? this.sightings : null;
      this.session = await fakenet.open({ guestIp: machine.ip, path, sightings });
      this.follow(this.session.failed);
    }
    this.route = await router.open(
      {
        ...{ task: taskId, machine: machine.name, ip: machine.ip, interface: machine.interface, route },
        ...{ resultServer: machine.resultServer, agentPort: machine.agentPort },
        fakenet: this.session === null ? null : (fakenet?.ports ?? null),
      },
      signal,
    );
    this.follow(this.route.failed);
  }

  /** What begins the capture, with everything about it checked. */
  private async captureWith(signal: AbortSignal): Promise<(signal: AbortSignal) => Promise<void>> {
    const { machine, sniffer, dir, options, capture, onNote } = this.task;
    const path = join(dir, ARTIFACTS.pcap);
    switch (tracer(this.task)) {
      case 'tcpdump': {
        await mustHaveInterface(machine, 'CAPTURE_FAILED');
        const program = await findTcpdump(sniffer.tcpdump);
        await checkBpf(program, sniffer.bpf, signal);
        const debug = parseOptions(options).get('sniffer.debug') === '1';
        const filter = captureFilter({ ...machine, bpf: sniffer.bpf, debug });
        return (by) => this.beginTcpdump({ program, interface: machine.interface, filter, path }, by);
      }
      case 'machinery':
        return async (by) => {
          this.capture = (await capture?.(machine, path, by)) ?? null;
        };
      case 'nobody':
        return async () => onNote('the traffic is not captured: [sniffer] enabled = no in auxiliary.conf');
    }
  }

  private async beginTcpdump(start: TcpdumpStart, signal: AbortSignal): Promise<void> {
    const capture = await startTcpdump({ ...start, watcher: this.sightings }, signal);
    this.capture = capture;
    this.follow(capture.failed);
  }

  /** Whatever fails first is why the task fails. */
  private follow(part: AbortSignal): void {
    const fail = (): void => this.failing.abort(part.reason);
    if (part.aborted) fail();
    else part.addEventListener('abort', fail, { once: true });
  }

  private async close(): Promise<void> {
    await this.tellDropped();
    await this.closePart(async () => this.closeCapture());
    this.sightings.end();
    await this.closePart(async () => this.route?.[Symbol.asyncDispose]());
    await this.closePart(async () => this.session?.finish());
  }

  private async closeCapture(): Promise<void> {
    const { capture } = this;
    if (capture === null) return;
    if (!('finish' in capture)) {
      await capture[Symbol.asyncDispose]();
      await this.filterCapture();
      return;
    }
    const { dropped, omitted } = await capture.finish();
    if (dropped !== null && dropped > 0)
      this.task.onNote(`${dropped} packets are missing in the capture: the kernel dropped them`);
    if (omitted > 0) this.task.onNote(`${omitted} packets are missing in the capture: it has its full size`);
  }

  /** A hypervisor's own capture has everything. */
  private async filterCapture(): Promise<void> {
    const { machine, dir, options } = this.task;
    if (parseOptions(options).get('sniffer.debug') === '1') return;
    await leaveOutControl(join(dir, ARTIFACTS.pcap), machine);
  }

  /** What the firewall kept in; asked while the route is open. */
  private async tellDropped(): Promise<void> {
    if (this.route === null || this.route.failed.aborted) return;
    using limit = deadline(COUNTERS_TIMEOUT_MS, this.route.failed);
    try {
      const { droppedPackets, droppedBytes } = await this.route.counters(limit.signal);
      if (droppedPackets > 0)
        this.task.onNote(
          `the firewall dropped ${droppedPackets} packets of the guest (${droppedBytes} bytes)`,
        );
    } catch (error) {
      this.task.onNote(`how many packets the firewall dropped is not known: ${reason(error)}`);
    }
  }

  private async closePart(step: () => Promise<unknown>): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.failing.abort(error);
    }
  }
}

/** Who captures. */
function tracer({ machine, sniffer, capture }: BridgedTask): 'tcpdump' | 'machinery' | 'nobody' {
  if (machine.options.includes('nictrace')) {
    if (capture !== null) return 'machinery';
    const what = `${machine.name} has the option nictrace, and its hypervisor cannot capture: remove the option`;
    throw new SandboxError('CONFIG_INVALID', what);
  }
  if (sniffer.enabled) return 'tcpdump';
  return capture === null ? 'nobody' : 'machinery';
}

/** An interface that is down still counts: whoever starts the machine may bring it up. */
async function mustHaveInterface(
  machine: OwnMachine,
  code: 'ROUTE_UNAVAILABLE' | 'CAPTURE_FAILED',
): Promise<void> {
  if (machine.interface === '') {
    const what = `it is not known which interface ${machine.name} is behind: name it (interface = …) in its section, or for all machines`;
    throw new SandboxError(code, what);
  }
  const names = await interfaceNames();
  if (names.includes(machine.interface)) return;
  throw new SandboxError(
    code,
    `${machine.name} is configured to be behind the interface ${machine.interface}, which this host has not (it has ${names.join(', ')})`,
  );
}
