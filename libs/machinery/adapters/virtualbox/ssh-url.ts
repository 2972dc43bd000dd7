import { SandboxError } from '#domain/errors.js';
import type { SshTarget } from '#ssh/target.js';

/**
 * `[virtualbox] host` of virtualbox.conf: `ssh://user@host[:port]`; the port is 22 by default, an IPv6 address is in
 * square brackets.
 *
 * @throws CONFIG_INVALID
 */
export function parseSshUrl(text: string): Pick<SshTarget, 'host' | 'port' | 'user'> {
  const [, user, address, port = '22'] =
    /^ssh:\/\/([\w.-]+)@(\[[0-9a-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?\/?$/i.exec(text) ?? [];
  const host = address?.replace(/^\[(.*)\]$/, '$1');
  // What begins with a dash would be an option to somebody.
  const valid = user !== undefined && host !== undefined && !/^-/.test(user) && !/^-/.test(host);
  if (valid && Number(port) > 0 && Number(port) < 65_536) return { user, host, port: Number(port) };
  throw new SandboxError(
    'CONFIG_INVALID',
    `virtualbox.conf: [virtualbox] host is ${JSON.stringify(text)}; it is empty for this host, or ssh://user@host[:port]`,
  );
}
