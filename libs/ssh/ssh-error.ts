/**
 * - `unreachable`: no SSH server answered (name, network, port, or it spoke nonsense)
 * - `host-key`: the server's key is not the one known_hosts has for it
 * - `login`: the server is the right one and let nobody in
 * - `setup`: a file of ours could not be used (key, known_hosts)
 * - `refused`: the server declined a program, a socket or a file
 * - `too-long`: a program wrote more than was allowed
 * - `timeout`: a program ran longer than was allowed; it was killed
 * - `closed`: the connection ended before the answer
 */
export type SshErrorKind =
  'unreachable' | 'host-key' | 'login' | 'setup' | 'refused' | 'too-long' | 'timeout' | 'closed';

/** Callers branch on `kind`; the message names the host and what to do. */
export class SshError extends Error {
  override readonly name = 'SshError';

  constructor(
    readonly kind: SshErrorKind,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
