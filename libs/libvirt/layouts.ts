import { LibvirtError } from './error.js';
import type { XdrReader, XdrWriter } from './xdr.js';

/** A virtual machine. Its UUID stays; its id is another at each start, -1 when off, and means nothing to our calls. */
export interface Domain {
  readonly name: string;
  /** 16 bytes. */
  readonly uuid: Buffer;
  readonly id: number;
}

export interface Snapshot {
  readonly name: string;
  readonly domain: Domain;
}

/** remote_nonnull_domain: string name, opaque uuid[16], int id */
export function readDomain(reader: XdrReader): Domain {
  return { name: reader.string(), uuid: Buffer.from(reader.opaque(16)), id: reader.int() };
}

export function writeDomain(writer: XdrWriter, { name, uuid }: Domain): XdrWriter {
  if (uuid.length !== 16) throw new RangeError(`a UUID has 16 bytes, not ${uuid.length}`);
  return writer.string(name).opaque(uuid).int(-1);
}

/** remote_nonnull_domain_snapshot: string name, domain */
export function readSnapshot(reader: XdrReader): Snapshot {
  return { name: reader.string(), domain: readDomain(reader) };
}

export function writeSnapshot(writer: XdrWriter, { name, domain }: Snapshot): XdrWriter {
  return writeDomain(writer.string(name), domain);
}

export interface Network {
  readonly name: string;
  /** 16 bytes. */
  readonly uuid: Buffer;
}

/** remote_nonnull_network: string name, opaque uuid[16] */
export function readNetwork(reader: XdrReader): Network {
  return { name: reader.string(), uuid: Buffer.from(reader.opaque(16)) };
}

export function writeNetwork(writer: XdrWriter, { name, uuid }: Network): XdrWriter {
  return writer.string(name).opaque(uuid);
}

/** remote_error: int code, int domain, optional string message, int level, optional domain, three optional strings … */
export function readError(reader: XdrReader, procedure: number): LibvirtError {
  const [code, domain] = [reader.int(), reader.int()];
  const text = (from: XdrReader) => from.string();
  const message = reader.optional(text) ?? `error ${code}`;
  const level = reader.int();
  reader.optional(readDomain);
  const strings = [reader.optional(text), reader.optional(text), reader.optional(text)];
  return new LibvirtError(code, domain, message, level, strings, procedure);
}

const STATES = [
  'nostate',
  'running',
  'blocked',
  'paused',
  'shutdown',
  'off',
  'crashed',
  'pmsuspended',
] as const;

export interface DomainState {
  /** `shutdown` is on its way to off; a state this client does not know reads `nostate`. */
  readonly state: (typeof STATES)[number];
  /** Why, by state. @see https://libvirt.org/html/libvirt-libvirt-domain.html#virDomainState */
  readonly reason: number;
}

export function readState(reader: XdrReader): DomainState {
  return { state: STATES[reader.int()] ?? 'nostate', reason: reader.int() };
}

export interface DomainInfo {
  readonly state: DomainState['state'];
  readonly maxMemoryKiB: bigint;
  readonly memoryKiB: bigint;
  readonly cpus: number;
  readonly cpuTimeNs: bigint;
}

/** unsigned char state, unsigned hyper maxMem, memory, unsigned short nrVirtCpu, unsigned hyper cpuTime */
export function readInfo(reader: XdrReader): DomainInfo {
  return {
    state: STATES[reader.uint()] ?? 'nostate',
    maxMemoryKiB: reader.hyper(),
    memoryKiB: reader.hyper(),
    cpus: reader.uint(),
    cpuTimeNs: reader.hyper(),
  };
}

const EVENTS = [
  'defined',
  'undefined',
  'started',
  'suspended',
  'resumed',
  'stopped',
  'shutdown',
  'pmsuspended',
  'crashed',
] as const;

export interface LifecycleEvent {
  readonly domain: Domain;
  /** `unknown`: one that this client does not know. */
  readonly event: (typeof EVENTS)[number] | 'unknown';
  /** How or why, by event. @see https://libvirt.org/html/libvirt-libvirt-domain.html#virDomainEventType */
  readonly detail: number;
}

/** int callback, domain, int event, int detail */
export function readLifecycle(reader: XdrReader): LifecycleEvent {
  reader.int();
  return { domain: readDomain(reader), event: EVENTS[reader.int()] ?? 'unknown', detail: reader.int() };
}
