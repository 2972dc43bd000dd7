import { rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { once } from 'node:events';
import type { CertificateAuthority } from '../fakenet/ca.js';
import { type AddressPlan, DEFAULT_ADDRESSES, ipToNumber } from './addresses.js';
import { AGENT } from './classes.js';
import { type Clock, systemClock } from './clock.js';
import { GuestLink, type LinkCounters } from './link.js';
import { type Recording, type TaskNetwork, TaskRecording } from './recording.js';
import { connectionError } from './tcp-connection.js';
import type { ConnectionClass } from './tcp-types.js';
import type { Admission } from './tcp-stack.js';
import type { TcpStream } from './tcp-stream.js';

/** Linux's range of ephemeral ports: the host looks like any other client. */
const FIRST_DIAL_PORT = 32_768;
const LAST_DIAL_PORT = 60_999;

/** Dialled ports whose stray packets are still known as ours. */
const MAX_REMEMBERED_DIALS = 4096;

export interface UserspaceNetworkOptions {
  /** In a folder that only the worker and its QEMU may enter: whoever connects is the guest. */
  readonly socketPath: string;
  readonly ca: CertificateAuthority;
  readonly addresses?: AddressPlan;
  readonly clock?: Clock;
}

/**
 * The whole world of one guest: a unix socket that QEMU's
 * `-netdev stream,server=off,addr.type=unix,addr.path=…` connects to. Nothing leaves it, because nothing routes.
 * QEMU may vanish and another may connect; what was under way with the first fails.
 */
export class UserspaceNetwork implements AsyncDisposable {
  private link: GuestLink | null = null;
  private recording: TaskRecording | null = null;
  private opening = false;
  private closed = false;
  private readonly gateway: number;
  private readonly guest: number;
  private readonly dialled = new Map<number, number>();
  private nextDialPort = FIRST_DIAL_PORT + Math.floor(Math.random() * 20_000);
  private readonly waitingForLink = new Set<(link: GuestLink | null) => void>();

  private constructor(
    private readonly server: Server,
    private readonly options: UserspaceNetworkOptions,
    private readonly addresses: AddressPlan,
  ) {
    this.gateway = ipToNumber(addresses.gatewayIp);
    this.guest = ipToNumber(addresses.guestIp);
    server.on('connection', (socket) => this.connected(socket));
  }

  /** A socket left by a process that died is replaced. */
  static async listen(options: UserspaceNetworkOptions): Promise<UserspaceNetwork> {
    await rm(options.socketPath, { force: true });
    const server = createServer();
    const network = new UserspaceNetwork(server, options, options.addresses ?? DEFAULT_ADDRESSES);
    server.listen(options.socketPath);
    await once(server, 'listening');
    return network;
  }

  get socketPath(): string {
    return this.options.socketPath;
  }

  /** Frames of the QEMU now connected that were not acted upon. */
  get counters(): LinkCounters | null {
    return this.link?.counters ?? null;
  }

  /**
   * Dials a TCP port of the guest (the agent). Waits for QEMU when it is not connected yet, and asks a guest that does
   * not answer again and again: it may be about to be resumed.
   *
   * @throws an error with `code` ECONNREFUSED (nobody listens) or ECONNRESET (the link closed), or the abort's reason
   */
  async dial(port: number, signal: AbortSignal): Promise<Duplex> {
    signal.throwIfAborted();
    const link = this.link ?? (await this.nextLink(signal));
    const stream = link.tcp.dial(
      { localIp: this.gateway, localPort: this.dialPort(link, port), remoteIp: this.guest, remotePort: port },
      AGENT,
    );
    try {
      await once(stream, 'connect', { signal });
      return stream;
    } catch (cause) {
      stream.destroy();
      signal.throwIfAborted();
      throw cause;
    }
  }

  /**
   * Opens one task's traffic; one at a time. Before it and after it, nothing of the guest is answered but ARP, DHCP and
   * the connections that were dialled.
   *
   * @throws SandboxError NO_DISK_SPACE or CAPTURE_FAILED when the files cannot be made
   */
  async open(task: TaskNetwork): Promise<Recording> {
    if (this.opening || this.recording !== null)
      throw new Error(`${this.socketPath}: a task is open already`);
    this.opening = true;
    try {
      const recording = await TaskRecording.open(task, this.options.ca, () => this.taskClosed(recording));
      this.recording = recording;
      return recording;
    } finally {
      this.opening = false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    const closed = once(this.server, 'close');
    this.server.close();
    this.unlinked(this.link);
    for (const waiter of [...this.waitingForLink]) waiter(null);
    await this.recording?.[Symbol.asyncDispose]();
    await closed;
  }

  private connected(socket: Socket): void {
    // The newest wins: QEMU of an earlier machine may not have noticed yet that it is dead.
    this.unlinked(this.link);
    const link = new GuestLink(socket, this.addresses, this.world(), this.options.clock ?? systemClock);
    this.link = link;
    socket.on('error', () => undefined);
    socket.on('close', () => this.unlinked(link));
    link.greet();
    for (const waiter of [...this.waitingForLink]) waiter(link);
  }

  private unlinked(link: GuestLink | null): void {
    if (link === null || link !== this.link) return;
    this.link = null;
    link.close(connectionError('ECONNRESET', 'the machine is gone'));
  }

  private taskClosed(recording: TaskRecording): void {
    if (this.recording !== recording) return;
    this.recording = null;
    this.link?.tcp.drop(connectionError('ECONNABORTED', 'the task is over'), (kind) => kind !== AGENT);
  }

  private world(): ConstructorParameters<typeof GuestLink>[2] {
    return {
      captured: (bytes, start, end) => this.recording?.captured(bytes, start, end),
      isControl: (localIp, localPort, guestPort) =>
        (localIp === this.gateway && this.dialled.get(localPort) === guestPort) ||
        (this.recording?.isResult(localIp, localPort) ?? false),
      admit: (ip, port) => this.admit(ip, port),
      accepted: (stream, kind) => this.accepted(stream, kind),
      datagram: (datagram) => this.recording?.datagram(datagram) ?? null,
      answersPing: () => this.recording?.answersPing() ?? false,
    };
  }

  private admit(ip: number, port: number): Admission {
    // A stray of a call that is over: the guest's end should be closed, too.
    if (ip === this.gateway && this.dialled.has(port)) return 'refuse';
    return this.recording?.admit(ip, port) ?? 'ignore';
  }

  private accepted(stream: TcpStream, kind: ConnectionClass): void {
    if (this.recording === null) stream.destroy();
    else this.recording.accepted(stream, kind);
  }

  private dialPort(link: GuestLink, remotePort: number): number {
    for (;;) {
      const localPort = this.nextDialPort;
      this.nextDialPort = localPort >= LAST_DIAL_PORT ? FIRST_DIAL_PORT : localPort + 1;
      const endpoints = { localIp: this.gateway, localPort, remoteIp: this.guest, remotePort };
      if (!link.tcp.isFree(endpoints)) continue;
      this.dialled.delete(localPort);
      this.dialled.set(localPort, remotePort);
      const oldest = this.dialled.keys().next().value;
      if (this.dialled.size > MAX_REMEMBERED_DIALS && oldest !== undefined) this.dialled.delete(oldest);
      return localPort;
    }
  }

  private async nextLink(signal: AbortSignal): Promise<GuestLink> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        this.waitingForLink.delete(arrived);
        signal.removeEventListener('abort', aborted);
      };
      const arrived = (link: GuestLink | null): void => {
        stop();
        if (link === null) reject(connectionError('ECONNRESET', 'the network is closed'));
        else resolve(link);
      };
      const aborted = (): void => {
        stop();
        reject(signal.reason as Error);
      };
      this.waitingForLink.add(arrived);
      signal.addEventListener('abort', aborted);
    });
  }
}
