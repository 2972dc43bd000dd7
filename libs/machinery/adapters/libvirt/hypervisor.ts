import { LibvirtConnectionLost, type Libvirt } from '#libvirt/libvirt.js';
import { LibvirtError } from '#libvirt/error.js';

/** What machines need of a connection to libvirt. */
export type Hypervisor = Pick<
  Libvirt,
  | 'uri'
  | 'libVersion'
  | 'domains'
  | 'domain'
  | 'state'
  | 'xml'
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

/** Those of libvirt's error codes that say what to do: https://libvirt.org/html/libvirt-virterror.html */
export const LIBVIRT = {
  NO_SUPPORT: 3,
  INVALID_ARG: 8,
  NO_DOMAIN: 42,
  OPERATION_INVALID: 55,
  CONFIG_UNSUPPORTED: 67,
  NO_SNAPSHOT: 72,
} as const;

export function isCode(error: unknown, ...codes: readonly number[]): boolean {
  return error instanceof LibvirtError && codes.includes(error.code);
}

/** A second time would end the same way. */
export function isPermanent(error: unknown): boolean {
  const { NO_SUPPORT, INVALID_ARG, NO_DOMAIN, CONFIG_UNSUPPORTED, NO_SNAPSHOT } = LIBVIRT;
  return isCode(error, NO_SUPPORT, INVALID_ARG, NO_DOMAIN, CONFIG_UNSUPPORTED, NO_SNAPSHOT);
}

/** "Requested operation is not valid: domain is not running", and the like. */
export function isNotRunning(error: unknown): boolean {
  return isCode(error, LIBVIRT.OPERATION_INVALID);
}

export function connectionLost(error: unknown): boolean {
  return error instanceof LibvirtConnectionLost;
}
