import { PROGRAM } from './frame.js';
import {
  readDomain,
  readInfo,
  readNetwork,
  readSnapshot,
  readState,
  writeDomain,
  writeNetwork,
  writeSnapshot,
  type Domain,
  type Network,
  type Snapshot,
} from './layouts.js';
import type { XdrReader, XdrWriter } from './xdr.js';

/** One call of libvirt's protocol: its number, how its arguments are written, how its answer is read. */
export interface Procedure<A, R> {
  readonly program: number;
  readonly number: number;
  /** For messages. */
  readonly name: string;
  readonly write: (writer: XdrWriter, args: A) => unknown;
  readonly read: (reader: XdrReader) => R;
}

function remote<A, R>(
  number: number,
  name: string,
  write: (writer: XdrWriter, args: A) => unknown,
  read: (reader: XdrReader) => R,
): Procedure<A, R> {
  return { program: PROGRAM.remote, number, name, write, read };
}

const nothing = () => undefined;
const noArguments = (_writer: XdrWriter, _args: undefined) => undefined;
const text = (reader: XdrReader) => reader.string();
const truth = (reader: XdrReader) => reader.int() !== 0;
const domainAlone = (writer: XdrWriter, domain: Domain) => writeDomain(writer, domain);
const domainFlags = (writer: XdrWriter, { domain, flags }: { domain: Domain; flags: number }) =>
  writeDomain(writer, domain).uint(flags);
const snapshotFlags = (writer: XdrWriter, { snapshot, flags }: { snapshot: Snapshot; flags: number }) =>
  writeSnapshot(writer, snapshot).uint(flags);

/** The answer to "give me the list": it is wanted (int 1), flags. */
const WANTED = 1;

/**
 * The procedures of libvirt that this client calls.
 *
 * @see https://gitlab.com/libvirt/libvirt/-/blob/master/src/remote/remote_protocol.x
 */
export const procedures = {
  authList: remote(66, 'auth-list', noArguments, (reader) => reader.list((type) => type.int())),
  authPolkit: remote(70, 'auth-polkit', noArguments, (reader) => reader.int()),
  open: remote(
    1,
    'connect-open',
    (writer, { uri, flags }: { uri: string; flags: number }) =>
      writer.optional(uri, (to, name) => to.string(name)).uint(flags),
    nothing,
  ),
  close: remote(2, 'connect-close', noArguments, nothing),
  hostname: remote(59, 'connect-get-hostname', noArguments, text),
  supportsFeature: remote(
    60,
    'connect-supports-feature',
    (writer, feature: number) => writer.int(feature),
    truth,
  ),
  libVersion: remote(157, 'connect-get-lib-version', noArguments, (reader) => Number(reader.hyper())),
  domains: remote(
    273,
    'connect-list-all-domains',
    (writer, flags: number) => writer.int(WANTED).uint(flags),
    (reader) => reader.list(readDomain),
  ),
  registerEvent: remote(
    316,
    'connect-domain-event-callback-register-any',
    (writer, event: number) => writer.int(event).optional<Domain>(null, writeDomain),
    (reader) => reader.int(),
  ),
  deregisterEvent: remote(
    317,
    'connect-domain-event-callback-deregister-any',
    (writer, callback: number) => writer.int(callback),
    nothing,
  ),
  domainByName: remote(
    23,
    'domain-lookup-by-name',
    (writer, name: string) => writer.string(name),
    readDomain,
  ),
  domainByUuid: remote(
    24,
    'domain-lookup-by-uuid',
    (writer, uuid: Buffer) => writer.opaque(uuid),
    readDomain,
  ),
  state: remote(212, 'domain-get-state', domainFlags, readState),
  info: remote(16, 'domain-get-info', domainAlone, readInfo),
  networkByName: remote(
    46,
    'network-lookup-by-name',
    (writer, name: string) => writer.string(name),
    readNetwork,
  ),
  networkBridge: remote(
    45,
    'network-get-bridge-name',
    (writer, network: Network) => writeNetwork(writer, network),
    text,
  ),
  xml: remote(14, 'domain-get-xml-desc', domainFlags, text),
  create: remote(196, 'domain-create-with-flags', domainFlags, readDomain),
  destroy: remote(234, 'domain-destroy-flags', domainFlags, nothing),
  suspend: remote(34, 'domain-suspend', domainAlone, nothing),
  resume: remote(28, 'domain-resume', domainAlone, nothing),
  hasManagedSave: remote(183, 'domain-has-managed-save-image', domainFlags, truth),
  removeManagedSave: remote(184, 'domain-managed-save-remove', domainFlags, nothing),
  snapshots: remote(
    274,
    'domain-list-all-snapshots',
    (writer, { domain, flags }: { domain: Domain; flags: number }) =>
      writeDomain(writer, domain).int(WANTED).uint(flags),
    (reader) => reader.list(readSnapshot),
  ),
  snapshotByName: remote(
    189,
    'domain-snapshot-lookup-by-name',
    (writer, { domain, name, flags }: { domain: Domain; name: string; flags: number }) =>
      writeDomain(writer, domain).string(name).uint(flags),
    readSnapshot,
  ),
  hasCurrentSnapshot: remote(190, 'domain-has-current-snapshot', domainFlags, truth),
  currentSnapshot: remote(191, 'domain-snapshot-current', domainFlags, readSnapshot),
  snapshotXml: remote(186, 'domain-snapshot-get-xml-desc', snapshotFlags, text),
  snapshotCreate: remote(
    185,
    'domain-snapshot-create-xml',
    (writer, { domain, xml, flags }: { domain: Domain; xml: string; flags: number }) =>
      writeDomain(writer, domain).string(xml).uint(flags),
    readSnapshot,
  ),
  revert: remote(192, 'domain-revert-to-snapshot', snapshotFlags, nothing),
  snapshotDelete: remote(193, 'domain-snapshot-delete', snapshotFlags, nothing),
  coreDump: remote(
    334,
    'domain-core-dump-with-format',
    (writer, args: { domain: Domain; path: string; format: number; flags: number }) =>
      writeDomain(writer, args.domain).string(args.path).uint(args.format).uint(args.flags),
    nothing,
  ),
  /** Its picture follows as a stream. */
  screenshot: remote(
    211,
    'domain-screenshot',
    (writer, { domain, screen, flags }: { domain: Domain; screen: number; flags: number }) =>
      writeDomain(writer, domain).uint(screen).uint(flags),
    (reader) => reader.optional(text),
  ),
  monitorCommand: {
    program: PROGRAM.qemu,
    number: 1,
    name: 'qemu-domain-monitor-command',
    write: (
      writer: XdrWriter,
      { domain, command, flags }: { domain: Domain; command: string; flags: number },
    ) => writeDomain(writer, domain).string(command).uint(flags),
    read: text,
  },
} satisfies Record<string, Procedure<never, unknown>>;

/** Number of the message that carries a lifecycle event. */
export const LIFECYCLE_MESSAGE = 318;

/** Event number to register for (VIR_DOMAIN_EVENT_ID_LIFECYCLE). */
export const LIFECYCLE_EVENT = 0;

/** The server answers pings (VIR_DRV_FEATURE_PROGRAM_KEEPALIVE). */
export const KEEPALIVE_FEATURE = 11;
