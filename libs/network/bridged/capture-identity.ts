import { readFile, stat } from 'node:fs/promises';

/** Debian's `nobody` and `nogroup`. */
const NOBODY = 65534;

/** Numbers of capabilities(7): to see packets, and to see those that are for others. */
const CAPABILITIES: Readonly<Record<string, number>> = { net_raw: 13, net_admin: 12 };

/**
 * How setpriv turns us into a tcpdump that ends with this process, however that ends. Root makes it nobody with the right
 * to capture and no other, ever: left alone it would change its user itself, and with that forget to end.
 *
 * A tcpdump with file capabilities forgets it as well; it ends at its guest's next packet, for which nobody listens.
 */
export async function captureIdentity(program: string): Promise<readonly string[]> {
  const ending = ['--pdeathsig', 'KILL', '--'];
  // Not --no-new-privs: it would take the file capabilities from an unprivileged worker's tcpdump.
  if (process.getuid?.() !== 0) return ending;
  const { mode, gid } = await stat(program);
  const group = (mode & 0o001) === 0 && gid !== 0 ? ['--groups', String(gid)] : ['--clear-groups'];
  const held = (await heldCapabilities()).map((name) => `+${name}`).join(',');
  const capabilities = held === '' ? [] : ['--inh-caps', held, '--ambient-caps', held];
  return [
    ...['--reuid', String(NOBODY), '--regid', String(NOBODY), ...group],
    ...[...capabilities, '--no-new-privs', ...ending],
  ];
}

/** Of those wanted: root of a container may lack some, and setpriv would refuse to give them. */
async function heldCapabilities(): Promise<readonly string[]> {
  const status = await readFile('/proc/self/status', 'utf8');
  const permitted = BigInt(`0x${/^CapPrm:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  return Object.entries(CAPABILITIES).flatMap(([name, bit]) =>
    (permitted >> BigInt(bit)) & 1n ? [name] : [],
  );
}
