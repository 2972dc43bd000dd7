import { fail, ok, skipped, type Check, type Verdict } from './check.js';
import type { Configured } from './context.js';
import { ourName } from './owner.js';
import { trySocket } from './unix-socket.js';

/** Is the libvirt of this host, not one over ssh, TLS or TCP? */
export function isLocal(dsn: string): boolean {
  return /^[a-z]+(\+unix)?:\/\/\//i.test(dsn);
}

/**
 * The unix socket of a local address of libvirt; null when there is none to look at.
 * @see https://libvirt.org/uri.html
 */
export function libvirtSocket(
  dsn: string,
  uid: number | undefined,
  runtimeDir = `/run/user/${uid ?? 0}`,
): string | null {
  if (!isLocal(dsn)) return null;
  const named = /[?&]socket=([^&]+)/.exec(dsn)?.[1];
  if (named !== undefined) return decodeURIComponent(named);
  const path = /^[^:]+:\/\/(\/[^?]*)/.exec(dsn)?.[1];
  if (path === '/system' || dsn.startsWith('test')) return '/run/libvirt/libvirt-sock';
  return path === '/session' ? `${runtimeDir}/libvirt/libvirt-sock` : null;
}

/** May we talk to libvirtd? */
export function libvirtCheck(configured: Configured): Check {
  return { name: 'libvirt', run: (signal) => libvirt(configured, signal) };
}

async function libvirt({ settings }: Configured, signal: AbortSignal): Promise<Verdict> {
  const { dsn } = settings.kvm;
  const socket = libvirtSocket(dsn, process.geteuid?.());
  if (socket === null)
    return skipped(`${dsn} is not on a socket of this host; its machines are looked at below`);
  const tried = await trySocket(socket, signal);
  switch (tried.state) {
    case 'open':
      return ok(`${socket} takes connections`);
    case 'missing':
      return fail(
        `${socket} is not there: libvirtd does not run, or dsn of kvm.conf (${dsn}) names another place`,
        'apt-get install libvirt-daemon-system && systemctl enable --now libvirtd.socket',
      );
    case 'stale':
      return fail(
        `nobody listens on ${socket}: libvirtd has ended`,
        'systemctl restart libvirtd.socket libvirtd',
      );
    case 'denied':
      return fail(
        `${ourName()} may not use ${socket} (of ${tried.owner}:${tried.group}, mode ${tried.mode})`,
        `usermod -aG ${tried.group === '?' || tried.group === 'root' ? 'libvirt' : tried.group} ${ourName()}, then log in again`,
      );
    case 'other':
      return fail(`${socket}: ${tried.error}`, 'systemctl status libvirtd');
  }
}
