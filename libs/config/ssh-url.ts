/** `user` is null when the address does not say: whoever connects is asked for then. */
export interface SshPlace {
  readonly host: string;
  readonly user: string | null;
  readonly port: number;
}

/**
 * `ssh://[user@]host[:port]`; the port is 22 by default, an IPv6 address is in square brackets. Null: it is none.
 */
export function parseSshUrl(text: string): SshPlace | null {
  // What begins with a dash would be an option to somebody.
  const [, user, address, port = '22'] =
    /^ssh:\/\/(?:([\w.][\w.-]*)@)?(\[[0-9a-f:.]+\]|[\w.][\w.-]*)(?::(\d{1,5}))?\/?$/i.exec(text) ?? [];
  const host = address?.replace(/^\[(.*)\]$/, '$1');
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535) return null;
  return { host, user: user ?? null, port: Number(port) };
}
