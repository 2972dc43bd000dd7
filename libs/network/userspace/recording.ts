import type { Duplex } from 'node:stream';
import type { Endpoint, FakenetRecord } from '#domain/artifacts.js';
import { diskError } from '#domain/disk-error.js';
import type { CaptureLimits } from '../capture.js';
import { CaptureFile } from '../capture.js';
import type { CertificateAuthority } from '../fakenet/ca.js';
import { now } from '../fakenet/conversation.js';
import { DNS_PORT, readQuestion } from '../fakenet/dns.js';
import { FakeInternet } from '../fakenet/fake-internet.js';
import { FakenetJournal, type JournalLimits } from '../fakenet/journal.js';
import { NamePool } from '../fakenet/names.js';
import { ipToNumber } from './addresses.js';
import { INTERNET, RESULT } from './classes.js';
import type { ConnectionClass } from './tcp-types.js';
import type { Admission } from './tcp-stack.js';
import type { TcpStream } from './tcp-stream.js';
import type { Datagram } from './udp.js';
import { UdpFlows } from './udp-flows.js';

export interface TaskNetwork {
  /** `inetsim`: the fake internet answers everything. `drop`: only the agent and the result channel work. */
  readonly route: 'inetsim' | 'drop';
  readonly pcapPath: string;
  readonly fakenetPath: string;
  /** Takes a connection of the guest to the result server. */
  readonly onResult: (stream: Duplex) => void;
  /** As the guest sees it. */
  readonly resultServer: { readonly ip: string; readonly port: number };
  readonly limits?: { readonly capture?: CaptureLimits; readonly fakenet?: JournalLimits };
}

/** One task's traffic, from `open` to dispose. */
export interface Recording extends AsyncDisposable {
  /** Packets in the capture, and their bytes. */
  readonly packets: number;
  readonly bytes: number;
  /** Packets that were seen and are not in the capture. */
  readonly dropped: number;
  /** The fake internet tells the time (NTP, HTTP) by a clock so far ahead of ours: the guest's, when that was set. */
  setClock(aheadMs: number): void;
  /** Rejects with NO_DISK_SPACE or CAPTURE_FAILED when the disk does not take the traffic; never resolves. */
  readonly failure: Promise<never>;
  /** Ends the task's traffic as disposing does, then rejects with the error of `failure` if there was one at any time. */
  finish(): Promise<void>;
}

/** Performance's clock does not jump, and has microseconds. */
function unixMs(): number {
  return performance.timeOrigin + performance.now();
}

export class TaskRecording implements Recording {
  readonly failure: Promise<never>;
  private readonly internet: FakeInternet | null;
  private readonly names = new NamePool();
  private readonly flows: UdpFlows;
  private readonly resultIp: number;
  private aheadMs = 0;
  private closing: Promise<void> | null = null;

  private constructor(
    private readonly task: TaskNetwork,
    ca: CertificateAuthority,
    private readonly capture: CaptureFile,
    private readonly journal: FakenetJournal,
    private readonly failed: AbortSignal,
    private readonly onClose: () => void,
  ) {
    this.failure = new Promise<never>((_resolve, reject) => {
      const fail = () => reject(failed.reason as Error);
      if (failed.aborted) fail();
      else failed.addEventListener('abort', fail, { once: true });
    });
    // The owner may not be waiting when it happens.
    this.failure.catch(() => undefined);
    this.resultIp = ipToNumber(task.resultServer.ip);
    const record = (entry: FakenetRecord): void => journal.record(entry);
    const time = (): number => Date.now() + this.aheadMs;
    this.internet = task.route === 'inetsim' ? new FakeInternet(ca, this.names, record, time) : null;
    this.flows = new UdpFlows(record, (ip) => this.names.nameOf(ip));
  }

  /** @throws SandboxError NO_DISK_SPACE or CAPTURE_FAILED when the files cannot be made */
  static async open(
    task: TaskNetwork,
    ca: CertificateAuthority,
    onClose: () => void,
  ): Promise<TaskRecording> {
    const failed = new AbortController();
    const onFailure = (path: string) => (cause: unknown) =>
      failed.abort(diskError(`${path} cannot be written`, cause));
    try {
      const { pcapPath, fakenetPath, limits } = task;
      const capture = await CaptureFile.create(pcapPath, onFailure(pcapPath), limits?.capture);
      const journal = await FakenetJournal.create(fakenetPath, onFailure(fakenetPath), limits?.fakenet);
      return new TaskRecording(task, ca, capture, journal, failed.signal, onClose);
    } catch (cause) {
      throw diskError(`${task.pcapPath} or ${task.fakenetPath} cannot be written`, cause);
    }
  }

  get packets(): number {
    return this.capture.packets;
  }

  get bytes(): number {
    return this.capture.bytes;
  }

  get dropped(): number {
    return this.capture.dropped;
  }

  setClock(aheadMs: number): void {
    this.aheadMs = aheadMs;
  }

  isResult(ip: number, port: number): boolean {
    return port === this.task.resultServer.port && ip === this.resultIp;
  }

  captured(bytes: Buffer, start: number, end: number): void {
    this.capture.packet(bytes, start, end, unixMs());
  }

  admit(ip: number, port: number): Admission {
    if (this.isResult(ip, port)) return RESULT;
    return this.internet === null ? 'ignore' : INTERNET;
  }

  accepted(stream: TcpStream, kind: ConnectionClass): void {
    if (kind === RESULT) this.task.onResult(stream);
    else if (this.internet === null) stream.destroy();
    else this.internet.accept(stream, endsOf(stream));
  }

  datagram(datagram: Datagram): Buffer | null {
    const outcome = this.internet?.datagram(datagram) ?? this.unanswered(datagram);
    if (!outcome.known) this.flows.add(datagram);
    return outcome.reply;
  }

  answersPing(): boolean {
    return this.internet !== null;
  }

  async finish(): Promise<void> {
    await this[Symbol.asyncDispose]();
    this.failed.throwIfAborted();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.closing ??= this.close();
    await this.closing;
  }

  private async close(): Promise<void> {
    // Ends the task's connections, so that every conversation gets its record.
    this.onClose();
    await this.internet?.close();
    this.flows.close();
    await Promise.all([this.journal.close(), this.capture.close()]);
  }

  /** What is asked is worth knowing even when nobody answers. */
  private unanswered(datagram: Datagram): { readonly known: boolean; readonly reply: null } {
    const asked = datagram.destinationPort === DNS_PORT ? readQuestion(datagram.payload) : null;
    if (asked === null) return { known: false, reply: null };
    const { name, type } = asked.question;
    this.journal.record({ kind: 'dns', time: now(), name, type, answer: null });
    return { known: true, reply: null };
  }
}

function endsOf(stream: TcpStream): { readonly src: Endpoint; readonly dst: Endpoint } {
  return {
    src: { ip: stream.remoteAddress, port: stream.remotePort },
    dst: { ip: stream.localAddress, port: stream.localPort },
  };
}
