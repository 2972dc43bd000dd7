import { open, rm } from 'node:fs/promises';
import type { SshConnection } from '#ssh/ssh.js';
import { dumpError, verifyDump, type Dump } from './dump.js';
import type { Hypervisor } from './hypervisor.js';

/** A small program on another host. */
const LIMITS = { timeoutMs: 30_000, maxBytes: 4096 };

/**
 * The dump of a machine on another host: libvirtd writes it there, in a folder of the login's own below /var/tmp, and
 * it is fetched from there. Nothing of it stays on that host.
 */
export async function dumpRemotely(
  libvirt: Hypervisor,
  ssh: SshConnection,
  { domain, path, memoryBytes }: Dump,
  signal: AbortSignal,
): Promise<void> {
  const folder = await remoteFolder(ssh, signal);
  const there = `${folder}/memory`;
  try {
    // A libvirtd with dynamic_ownership = 0 leaves a file that exists to its owner.
    await done(ssh, ['install', '-m', '600', '/dev/null', there], signal);
    await libvirt.coreDump(domain, there, { memoryOnly: true }, signal).catch((cause: unknown) => {
      signal.throwIfAborted();
      throw dumpError(there, cause);
    });
    await ssh.fetchFile(there, path, signal).catch((cause: unknown) => {
      signal.throwIfAborted();
      throw new Error(
        `the memory dump cannot be fetched: libvirtd there gives it to root. Log in as root, or set dynamic_ownership = 0 in its qemu.conf`,
        { cause },
      );
    });
    await using made = await open(path, 'r');
    await verifyDump(made, path, memoryBytes);
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    // Also after a cancel; the connection may be gone, and then so is the way to clean up.
    await done(ssh, ['rm', '-rf', folder], AbortSignal.timeout(LIMITS.timeoutMs)).catch(() => undefined);
  }
}

async function remoteFolder(ssh: SshConnection, signal: AbortSignal): Promise<string> {
  const said = await done(ssh, ['mktemp', '-d', '/var/tmp/malkoha-XXXXXXXX'], signal);
  if (/^\/var\/tmp\/malkoha-\w+$/.test(said)) return said;
  throw new Error(`mktemp on the other host answered ${JSON.stringify(said.slice(0, 100))}`);
}

async function done(ssh: SshConnection, argv: readonly string[], signal: AbortSignal): Promise<string> {
  const { code, stdout, stderr } = await ssh.exec(argv, LIMITS, signal);
  if (code === 0) return stdout.toString().trim();
  throw new Error(`${argv[0] ?? ''} on the other host: ${stderr.toString('latin1').trim().slice(0, 300)}`);
}
