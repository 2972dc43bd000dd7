/** libvirt answered that it did not. `code` and `domain` are those of virterror.h; the message is libvirt's own. */
export class LibvirtError extends Error {
  override readonly name = 'LibvirtError';

  constructor(
    /** What went wrong, e.g. 42: no such domain. See LIBVIRT_CODES. */
    readonly code: number,
    /** Which part of libvirt says so, e.g. 10: the QEMU driver. */
    readonly domain: number,
    message: string,
    /** 1 warning, 2 error. */
    readonly level: number,
    /** What libvirt put into the message: names, files. */
    readonly strings: readonly (string | null)[],
    /** Number of the procedure that was called. */
    readonly procedure: number,
  ) {
    super(message);
  }
}

/** Error codes that callers meet. @see https://libvirt.org/html/libvirt-virterror.html#virErrorNumber */
export const LIBVIRT_CODES = {
  internal: 1,
  noSupport: 3,
  invalidArgument: 8,
  operationFailed: 9,
  systemError: 38,
  noDomain: 42,
  noNetwork: 43,
  authentication: 45,
  operationInvalid: 55,
  configUnsupported: 67,
  operationTimeout: 68,
  noSnapshot: 72,
  operationAborted: 78,
  authCancelled: 79,
  agentUnresponsive: 86,
} as const;

/**
 * The connection ended while a call waited, or is being made anew when a call comes. libvirtd goes on with what it was
 * asked: read the state again after the reconnect, never assume.
 */
export class LibvirtConnectionLost extends Error {
  override readonly name = 'LibvirtConnectionLost';
}

/** No connection could be made; the message names the address, the reason and what to do. */
export class LibvirtUnreachable extends Error {
  override readonly name = 'LibvirtUnreachable';
}

/** The answer took longer than its time. libvirtd may still be busy with it. */
export class LibvirtTimeout extends Error {
  override readonly name = 'LibvirtTimeout';
}

/** A URI that means nothing here; the message says what is accepted. */
export class LibvirtUriError extends Error {
  override readonly name = 'LibvirtUriError';
}

/** Bytes that are not libvirt's protocol, or more of them than are accepted. */
export class LibvirtProtocolError extends Error {
  override readonly name = 'LibvirtProtocolError';
}
