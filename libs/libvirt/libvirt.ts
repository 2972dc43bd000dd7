import { LibvirtConnectionLost, LibvirtProtocolError, LibvirtUnreachable } from './error.js';
import type { Domain, DomainInfo, DomainState, LifecycleEvent, Snapshot } from './layouts.js';
import { Listeners } from './listeners.js';
import { procedures, type Procedure } from './procedures.js';
import { Session, type Lane } from './session.js';
import { elapsed, withTimeout } from './timing.js';
import { parseLibvirtUri, type LibvirtUri, type UriOptions } from './uri.js';

// What callers need together with the class.
export { LibvirtConnectionLost } from './error.js';
export type { Domain, DomainInfo, DomainState, LifecycleEvent, Snapshot } from './layouts.js';

export interface LibvirtOptions extends UriOptions {
  /** Only look: libvirtd then refuses what changes anything. */
  readonly readOnly?: boolean;
  /** How often a silent libvirtd is pinged, ms; default 5000. After five pings without an answer it is lost. */
  readonly pingMs?: number;
}

/** For answers from libvirtd's memory, and for those from QEMU; callers bound calls more closely by their signal. */
const ANSWER_MS = 30_000;
/** For what moves gigabytes. */
const LONG_MS = 30 * 60_000;
const TIMES = { control: ANSWER_MS, guest: ANSWER_MS, long: LONG_MS } as const satisfies Record<Lane, number>;

/** Largest screenshot accepted, bytes: 3840 × 2160 pixels as PPM are 25 MB. */
const MAX_SCREENSHOT = 32 * 1024 * 1024;

/** First and longest pause between two attempts to reconnect, ms. */
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5000;
/** For one attempt. */
const ATTEMPT_MS = 60_000;

/** virDomainSnapshotRevertFlags, virDomainCreateFlags, virDomainCoreDumpFormat and -Flags. */
const REVERT = { snapshot: 0, running: 1, paused: 2 } as const;
const REVERT_FORCE = 4;
const START_PAUSED = 1;
const START_FORCE_BOOT = 16;
const DUMP_FORMATS = { raw: 0, 'kdump-zlib': 1, 'kdump-lzo': 2, 'kdump-snappy': 3, 'win-dmp': 4 } as const;
const DUMP = { live: 2, bypassCache: 4, memoryOnly: 16 } as const;

/**
 * A hypervisor host under libvirt, spoken to in libvirt's own RPC protocol. When the connection is lost, what waits is
 * rejected with a LibvirtConnectionLost, and so is every call until it is back; it is made anew by itself.
 *
 * Calls throw LibvirtError with libvirt's text and code, LibvirtConnectionLost, LibvirtTimeout, or the signal's reason;
 * libvirtd goes on with what it was asked either way.
 */
export class Libvirt implements AsyncDisposable {
  readonly #lifecycle = new Listeners<LifecycleEvent>();
  readonly #reconnect = new Listeners<undefined>();
  readonly #disposed = new AbortController();
  #session: Session | null = null;
  #lost: LibvirtConnectionLost | null = null;
  #reconnecting: Promise<void> = Promise.resolve();

  private constructor(
    readonly uri: string,
    private readonly parsed: LibvirtUri,
    private readonly options: LibvirtOptions,
  ) {}

  /**
   * @throws LibvirtUriError, or LibvirtUnreachable when nobody answers, lets us in or can open it
   */
  static async connect(uri: string, options: LibvirtOptions, signal: AbortSignal): Promise<Libvirt> {
    const libvirt = new Libvirt(uri, parseLibvirtUri(uri, options), options);
    try {
      await withTimeout(ATTEMPT_MS, signal, (by) => libvirt.#open(by));
    } catch (cause) {
      signal.throwIfAborted();
      if ((cause as Error).name !== 'TimeoutError') throw cause;
      throw new LibvirtUnreachable(`${uri}: no connection within ${ATTEMPT_MS} ms`, { cause });
    }
    return libvirt;
  }

  /** False while the connection is made anew. */
  get connected(): boolean {
    return this.#session !== null;
  }

  async hostname(signal: AbortSignal): Promise<string> {
    return await this.#call('control', procedures.hostname, undefined, signal);
  }

  /** Major × 1,000,000 + minor × 1000 + release. */
  async libVersion(signal: AbortSignal): Promise<number> {
    return await this.#call('control', procedures.libVersion, undefined, signal);
  }

  async domains(signal: AbortSignal): Promise<readonly Domain[]> {
    return await this.#call('control', procedures.domains, 0, signal);
  }

  async domain(name: string, signal: AbortSignal): Promise<Domain> {
    return await this.#call('control', procedures.domainByName, name, signal);
  }

  async domainByUuid(uuid: Buffer, signal: AbortSignal): Promise<Domain> {
    return await this.#call('control', procedures.domainByUuid, uuid, signal);
  }

  async state(domain: Domain, signal: AbortSignal): Promise<DomainState> {
    return await this.#call('control', procedures.state, { domain, flags: 0 }, signal);
  }

  async info(domain: Domain, signal: AbortSignal): Promise<DomainInfo> {
    return await this.#call('control', procedures.info, domain, signal);
  }

  async xml(domain: Domain, signal: AbortSignal): Promise<string> {
    return await this.#call('control', procedures.xml, { domain, flags: 0 }, signal);
  }

  /** The bridge of one of libvirt's own networks, which need not be up. @throws LibvirtError 43 when there is none of the name */
  async networkBridge(name: string, signal: AbortSignal): Promise<string> {
    const network = await this.#call('control', procedures.networkByName, name, signal);
    return await this.#call('control', procedures.networkBridge, network, signal);
  }

  /** Starts it from its disks. Of a saved image, libvirt restores that instead, unless `forceBoot`. */
  async start(
    domain: Domain,
    { paused = false, forceBoot = false }: { readonly paused?: boolean; readonly forceBoot?: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    const flags = (paused ? START_PAUSED : 0) | (forceBoot ? START_FORCE_BOOT : 0);
    await this.#call('long', procedures.create, { domain, flags }, signal);
  }

  /** Ends it like a pulled plug. @throws LibvirtError 55 when it is off */
  async destroy(domain: Domain, signal: AbortSignal): Promise<void> {
    await this.#call('control', procedures.destroy, { domain, flags: 0 }, signal);
  }

  async suspend(domain: Domain, signal: AbortSignal): Promise<void> {
    await this.#call('guest', procedures.suspend, domain, signal);
  }

  async resume(domain: Domain, signal: AbortSignal): Promise<void> {
    await this.#call('guest', procedures.resume, domain, signal);
  }

  async hasManagedSave(domain: Domain, signal: AbortSignal): Promise<boolean> {
    return await this.#call('control', procedures.hasManagedSave, { domain, flags: 0 }, signal);
  }

  async removeManagedSave(domain: Domain, signal: AbortSignal): Promise<void> {
    await this.#call('long', procedures.removeManagedSave, { domain, flags: 0 }, signal);
  }

  async snapshots(domain: Domain, signal: AbortSignal): Promise<readonly Snapshot[]> {
    return await this.#call('control', procedures.snapshots, { domain, flags: 0 }, signal);
  }

  /** @throws LibvirtError 72 when there is none of the name */
  async snapshot(domain: Domain, name: string, signal: AbortSignal): Promise<Snapshot> {
    return await this.#call('control', procedures.snapshotByName, { domain, name, flags: 0 }, signal);
  }

  async currentSnapshot(domain: Domain, signal: AbortSignal): Promise<Snapshot | null> {
    const args = { domain, flags: 0 };
    if (!(await this.#call('control', procedures.hasCurrentSnapshot, args, signal))) return null;
    return await this.#call('control', procedures.currentSnapshot, args, signal);
  }

  async snapshotXml(snapshot: Snapshot, signal: AbortSignal): Promise<string> {
    return await this.#call('control', procedures.snapshotXml, { snapshot, flags: 0 }, signal);
  }

  /** `flags`: virDomainSnapshotCreateFlags. */
  async snapshotCreate(domain: Domain, xml: string, flags: number, signal: AbortSignal): Promise<Snapshot> {
    return await this.#call('long', procedures.snapshotCreate, { domain, xml, flags }, signal);
  }

  async snapshotDelete(snapshot: Snapshot, signal: AbortSignal): Promise<void> {
    await this.#call('long', procedures.snapshotDelete, { snapshot, flags: 0 }, signal);
  }

  /**
   * Goes back to a snapshot, ending what runs. `then`: the state the snapshot was taken in, or one of our choice.
   * `force` takes a snapshot whose domain was another in what matters.
   */
  async revert(
    snapshot: Snapshot,
    { then, force = false }: { readonly then: keyof typeof REVERT; readonly force?: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    const flags = REVERT[then] | (force ? REVERT_FORCE : 0);
    await this.#call('long', procedures.revert, { snapshot, flags }, signal);
  }

  /** Writes the guest's RAM to a file on libvirtd's host. `memoryOnly`: an ELF core rather than a migration stream. */
  async coreDump(
    domain: Domain,
    path: string,
    options: {
      readonly memoryOnly?: boolean;
      readonly live?: boolean;
      readonly bypassCache?: boolean;
      readonly format?: keyof typeof DUMP_FORMATS;
    },
    signal: AbortSignal,
  ): Promise<void> {
    const { memoryOnly = false, live = false, bypassCache = false, format = 'raw' } = options;
    const flags =
      (memoryOnly ? DUMP.memoryOnly : 0) | (live ? DUMP.live : 0) | (bypassCache ? DUMP.bypassCache : 0);
    const args = { domain, path, format: DUMP_FORMATS[format], flags };
    await this.#call('long', procedures.coreDump, args, signal);
  }

  /** What the first screen shows: PPM or PNG, as the hypervisor makes it, up to 32 MiB. */
  async screenshot(
    domain: Domain,
    signal: AbortSignal,
  ): Promise<{ readonly mime: string; readonly data: Buffer }> {
    const { reply, stream } = await this.#connection('guest').callStream(
      procedures.screenshot,
      { domain, screen: 0, flags: 0 },
      { timeoutMs: TIMES.guest, streamBytes: MAX_SCREENSHOT },
      signal,
    );
    return { mime: reply ?? 'application/octet-stream', data: stream };
  }

  /** Sends a QMP command, e.g. `{ execute: 'query-status' }`, and returns QEMU's answer. libvirt marks the domain as tainted. */
  async monitorCommand(domain: Domain, command: object, signal: AbortSignal): Promise<unknown> {
    const args = { domain, command: JSON.stringify(command), flags: 0 };
    const answer = await this.#call('long', procedures.monitorCommand, args, signal);
    try {
      return JSON.parse(answer) as unknown;
    } catch (cause) {
      throw new LibvirtProtocolError(`${this.uri}: QEMU's answer is no JSON`, { cause });
    }
  }

  /** Tells of every start, stop, pause … of any domain. The events of a lost connection are missed. @returns its end */
  onLifecycle(listener: (event: LifecycleEvent) => void): () => void {
    return this.#lifecycle.add(listener);
  }

  /** Tells when a lost connection is back: whatever was known of any domain may have changed. @returns its end */
  onReconnect(listener: () => void): () => void {
    return this.#reconnect.add(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed.abort(new LibvirtConnectionLost(`${this.uri}: it was closed`));
    await this.#reconnecting;
    const session = this.#session;
    this.#session = null;
    await session?.close();
  }

  async #call<A, R>(lane: Lane, procedure: Procedure<A, R>, args: A, signal: AbortSignal): Promise<R> {
    return await this.#connection(lane).call(procedure, args, { timeoutMs: TIMES[lane] }, signal);
  }

  #connection(lane: Lane) {
    this.#disposed.signal.throwIfAborted();
    if (this.#session !== null) return this.#session.lane(lane);
    throw this.#lost ?? new LibvirtConnectionLost(`${this.uri}: there is no connection`);
  }

  async #open(signal: AbortSignal): Promise<void> {
    const { readOnly = false, pingMs } = this.options;
    const session = await Session.open(
      {
        name: this.uri,
        uri: this.parsed,
        readOnly,
        ...(pingMs === undefined ? {} : { pingMs }),
        onLifecycle: (event) => this.#lifecycle.tell(event),
      },
      signal,
    );
    this.#session = session;
    session.onLost((error) => {
      this.#session = null;
      this.#lost = error;
      this.#reconnecting = this.#reconnectForever();
    });
  }

  /** Never rejects. */
  async #reconnectForever(): Promise<void> {
    const { signal } = this.#disposed;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, MAX_PAUSE_MS)) {
      await elapsed(pause, signal);
      if (signal.aborted) return;
      try {
        await withTimeout(ATTEMPT_MS, signal, (by) => this.#open(by));
      } catch {
        continue; // whoever calls meanwhile is told that the connection is lost
      }
      this.#reconnect.tell(undefined);
      return;
    }
  }
}
