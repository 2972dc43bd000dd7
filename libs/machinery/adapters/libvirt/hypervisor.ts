import { LIBVIRT_CODES, LibvirtConnectionLost, LibvirtError } from '#libvirt/error.js';
import type { Libvirt } from '#libvirt/libvirt.js';

/** What machines need of a connection to libvirt. */
export type Hypervisor = Pick<
  Libvirt,
  | 'uri'
  | 'connected'
  | 'libVersion'
  | 'domains'
  | 'domain'
  | 'state'
  | 'xml'
  | 'networkBridge'
  | 'snapshots'
  | 'snapshot'
  | 'currentSnapshot'
  | 'snapshotXml'
  | 'revert'
  | 'destroy'
  | 'suspend'
  | 'resume'
  | 'coreDump'
  | 'screenshot'
  | 'monitorCommand'
  | 'onLifecycle'
  | 'onReconnect'
>;

export function isCode(error: unknown, ...codes: readonly number[]): boolean {
  return error instanceof LibvirtError && codes.includes(error.code);
}

const { configUnsupported, invalidArgument, noDomain, noSnapshot, noSupport } = LIBVIRT_CODES;

/** A second time would end the same way. */
export function isPermanent(error: unknown): boolean {
  return isCode(error, configUnsupported, invalidArgument, noDomain, noSnapshot, noSupport);
}

/** "Requested operation is not valid: domain is not running", and the like. */
export function isNotRunning(error: unknown): boolean {
  return isCode(error, LIBVIRT_CODES.operationInvalid);
}

export function connectionLost(error: unknown): boolean {
  return error instanceof LibvirtConnectionLost;
}
