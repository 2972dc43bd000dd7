/** Where to log in, and with which key. Nothing is read from the environment or from ~/.ssh/config. */
export interface SshTarget {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Private key file (OpenSSH or PEM, without a passphrase). Default: ~/.ssh/id_ed25519, id_ecdsa, id_rsa. */
  readonly identityFile?: string;
  /** known_hosts file. Default: ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts. */
  readonly knownHosts?: string;
  /** Unix socket of an ssh-agent, tried after the key file. */
  readonly agent?: string;
}

/** `user@host` or `user@host:port` when the port is not 22: how messages name a target. */
export function targetName({ host, port, user }: SshTarget): string {
  const shown = host.includes(':') ? `[${host}]` : host;
  return port === 22 ? `${user}@${shown}` : `${user}@${shown}:${port}`;
}
