import type { Socket } from 'node:net';
import type { Endpoint, FakenetRecord } from '#domain/artifacts.js';
import { diskError } from '#domain/disk-error.js';
import type { CertificateAuthority } from '../fakenet/ca.js';
import { FakeInternet } from '../fakenet/fake-internet.js';
import { FakenetJournal, type JournalLimits } from '../fakenet/journal.js';
import { NamePool } from '../fakenet/names.js';
import { ipToNumber } from '../userspace/addresses.js';
import type { Datagram } from '../userspace/udp.js';
import { UdpFlows } from '../userspace/udp-flows.js';
import type { Sightings } from './sightings.js';

/** As the userspace network has it; each costs the host a descriptor here. */
const IDLE_MS = 120_000;
const MAX_CONNECTIONS = 1024;

export interface FakenetTask {
  readonly guestIp: string;
  /** fakenet.jsonl of the task. */
  readonly path: string;
  /** Where the guest's traffic was meant to go; null when nothing captures it. */
  readonly sightings: Sightings | null;
  readonly limits?: JournalLimits;
}

/** The fake internet of one task, on the host's own sockets. */
export class FakenetSession implements AsyncDisposable {
  private readonly internet: FakeInternet;
  private readonly names = new NamePool();
  private readonly flows: UdpFlows;
  private readonly sockets = new Set<Socket>();
  private aheadMs = 0;
  private closing: Promise<void> | null = null;

  private constructor(
    private readonly task: FakenetTask,
    ca: CertificateAuthority,
    private readonly journal: FakenetJournal,
    /** Aborts with NO_DISK_SPACE or CAPTURE_FAILED when the disk does not take what the guest asked. */
    readonly failed: AbortSignal,
    private readonly onClose: () => void,
  ) {
    const record = (entry: FakenetRecord): void => journal.record(entry);
    this.internet = new FakeInternet(ca, this.names, record, () => Date.now() + this.aheadMs);
    this.flows = new UdpFlows(
      record,
      (ip) => this.names.nameOf(ip),
      ({ sourcePort }) => task.sightings?.datagram(sourcePort) ?? null,
    );
  }

  /** @throws NO_DISK_SPACE or CAPTURE_FAILED when the file cannot be made */
  static async open(
    task: FakenetTask,
    ca: CertificateAuthority,
    onClose: () => void,
  ): Promise<FakenetSession> {
    const failed = new AbortController();
    const what = `${task.path} cannot be written`;
    try {
      const onFailure = (cause: unknown): void => failed.abort(diskError(what, cause));
      const journal = await FakenetJournal.create(task.path, onFailure, task.limits);
      return new FakenetSession(task, ca, journal, failed.signal, onClose);
    } catch (cause) {
      throw diskError(what, cause);
    }
  }

  /** Its clocks (NTP, HTTP) tell a time so far ahead of ours. */
  setClock(aheadMs: number): void {
    this.aheadMs = aheadMs;
  }

  /** Takes a connection of the guest. @param port that the listener stands for; null: any other */
  accept(socket: Socket, port: number | null): void {
    // A guest may reset at any moment.
    socket.on('error', () => undefined);
    if (this.closing !== null || this.sockets.size >= MAX_CONNECTIONS) {
      socket.destroy();
      return;
    }
    this.sockets.add(socket);
    socket.once('close', () => this.sockets.delete(socket));
    socket.setNoDelay(true);
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    void this.serve(socket, port);
  }

  /** The answer to a datagram, if it has one. @param port that the socket stands for */
  datagram(payload: Buffer, sourcePort: number, { at, port }: { at: string; port: number }): Buffer | null {
    const datagram: Datagram = {
      ...{ source: ipToNumber(this.task.guestIp), sourcePort, payload },
      ...{ destination: ipToNumber(at), destinationPort: port },
    };
    const { known, reply } = this.internet.datagram(datagram);
    if (!known) this.flows.add(datagram);
    return reply;
  }

  /** Ends it as disposing does, then rejects with the error of `failed` if there was one at any time. */
  async finish(): Promise<void> {
    await this[Symbol.asyncDispose]();
    this.failed.throwIfAborted();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return (this.closing ??= this.close());
  }

  private async serve(socket: Socket, port: number | null): Promise<void> {
    const { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 } = socket;
    const meant = (await this.task.sightings?.connection(remotePort)) ?? null;
    if (socket.destroyed) return;
    const dst: Endpoint = meant ?? { ip: localAddress, port: port ?? localPort };
    this.internet.accept(socket, { src: { ip: remoteAddress, port: remotePort }, dst });
  }

  private async close(): Promise<void> {
    this.onClose();
    for (const socket of this.sockets) socket.destroy();
    await this.internet.close();
    this.flows.close();
    await this.journal.close();
  }
}
