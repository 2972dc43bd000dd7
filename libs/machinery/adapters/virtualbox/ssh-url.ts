import { userInfo } from 'node:os';
import { SandboxError } from '#domain/errors.js';
import type { SshTarget } from '#ssh/target.js';

/**
 * `[virtualbox] host` of virtualbox.conf: `ssh://[user@]host[:port]`. The user is whoever we are by default, the port
 * 22; an IPv6 address is in square brackets.
 *
 * @throws CONFIG_INVALID
 */
export function parseSshUrl(text: string): Pick<SshTarget, 'host' | 'port' | 'user'> {
  // What begins with a dash would be an option to somebody.
  const [, user, address, port = '22'] =
    /^ssh:\/\/(?:([\w.][\w.-]*)@)?(\[[0-9a-f:.]+\]|[\w.][\w.-]*)(?::(\d{1,5}))?\/?$/i.exec(text) ?? [];
  const host = address?.replace(/^\[(.*)\]$/, '$1');
  if (host !== undefined && Number(port) > 0 && Number(port) < 65_536)
    return { user: user ?? userInfo().username, host, port: Number(port) };
  throw new SandboxError(
    'CONFIG_INVALID',
    `virtualbox.conf: [virtualbox] host is ${JSON.stringify(text)}; it is empty for this host, or ssh://[user@]host[:port]`,
  );
}
