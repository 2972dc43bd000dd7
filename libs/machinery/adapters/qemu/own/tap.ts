import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { SandboxError } from '#domain/errors.js';
import { FD } from '../argv.js';
import { findProgram, PATH } from '../program.js';
import { masterOf } from './interfaces.js';
import type { Network } from './machine.js';

/**
 * Opens the tap named by the first argument as descriptor FD.net (TUNSETIFF with IFF_TAP and IFF_NO_PI) and becomes the
 * program in the rest of the arguments. Without IFF_VNET_HDR, so that a virtio card offers the guest no offloads: its
 * template was made behind a wire, which has none.
 *
 * @see https://www.kernel.org/doc/html/latest/networking/tuntap.html
 */
export const TAP_OPENER = `
use POSIX ();
my $tap = shift;
$^F = 255;
open(my $tun, '+<', '/dev/net/tun') or die "/dev/net/tun: $!\\n";
my $wanted = pack('a16 s x22', $tap, 0x1002);
ioctl($tun, 0x400454ca, $wanted) or die "$tap: $!\\n";
if (fileno($tun) != ${FD.net}) {
  defined POSIX::dup2(fileno($tun), ${FD.net}) or die "$tap: $!\\n";
  POSIX::close(fileno($tun));
}
exec { $ARGV[0] } @ARGV;
die "$ARGV[0]: $!\\n";
`;

const IP_TIMEOUT_MS = 10_000;

/**
 * The tap of a machine behind its bridge: the one there, or, as root, a new one that goes with what is returned.
 *
 * @throws SETUP_MISSING
 */
export async function openTap(
  { bridge, tap }: Extract<Network, { kind: 'bridge' }>,
  signal: AbortSignal,
): Promise<AsyncDisposable> {
  if ((await masterOf(tap)) === bridge) return { [Symbol.asyncDispose]: () => Promise.resolve() };
  await ip(['tuntap', 'add', 'dev', tap, 'mode', 'tap'], signal);
  const remove = async () => {
    await ip(['tuntap', 'del', 'dev', tap, 'mode', 'tap'], AbortSignal.timeout(IP_TIMEOUT_MS)).catch(
      () => undefined, // gone with its network: nothing to remove
    );
  };
  try {
    await ip(['link', 'set', 'dev', tap, 'master', bridge, 'up'], signal);
  } catch (error) {
    await remove();
    throw error;
  }
  return { [Symbol.asyncDispose]: remove };
}

async function ip(args: readonly string[], signal: AbortSignal): Promise<void> {
  const program = await findProgram('ip', 'iproute2');
  try {
    await promisify(execFile)(program, args, {
      env: { PATH, LC_ALL: 'C' },
      timeout: IP_TIMEOUT_MS,
      signal,
    });
  } catch (cause) {
    signal.throwIfAborted();
    const { stderr } = cause as { stderr?: unknown };
    const said = typeof stderr === 'string' ? stderr.trim().slice(0, 200) : '';
    throw new SandboxError('SETUP_MISSING', `ip ${args.join(' ')} failed: ${said}`, { cause });
  }
}
