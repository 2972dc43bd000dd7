/** Where a call's path arguments are: `[directory descriptor, path]`, null when paths start at the working directory. */
type PathPlace = readonly [directory: number | null, path: number];

const first: readonly PathPlace[] = [[null, 0]];
const at: readonly PathPlace[] = [[0, 1]];

export const PATHS: ReadonlyMap<string, readonly PathPlace[]> = new Map([
  ...(['open', 'creat', 'unlink', 'rmdir', 'mkdir', 'chmod', 'chown', 'lchown', 'truncate', 'chdir'] as const).map(
    (name) => [name, first] as const,
  ),
  ['execve', first],
  ['umount2', first],
  ...(['openat', 'openat2', 'unlinkat', 'mkdirat', 'fchmodat', 'fchmodat2', 'fchownat', 'execveat'] as const).map(
    (name) => [name, at] as const,
  ),
  ['rename', [[null, 0], [null, 1]]],
  ['renameat', [[0, 1], [2, 3]]],
  ['renameat2', [[0, 1], [2, 3]]],
  ['link', [[null, 0], [null, 1]]],
  ['linkat', [[0, 1], [2, 3]]],
  // What a symlink points to is text, not a path to resolve.
  ['symlink', [[null, 1]]],
  ['symlinkat', [[1, 2]]],
  ['mount', [[null, 1]]],
]); // prettier-ignore

export type CallCategory = 'process' | 'file' | 'network' | 'system';

const PROCESS = new Set([
  'execve', 'execveat', 'clone', 'clone3', 'fork', 'vfork', 'exit', 'exit_group', 'wait4', 'waitid', 'waitpid',
  'kill', 'tkill', 'tgkill', 'rt_sigqueueinfo', 'rt_tgsigqueueinfo', 'pidfd_send_signal', 'pidfd_open', 'ptrace', 'setsid',
  'setuid', 'setgid', 'setreuid', 'setresuid', 'unshare', 'setns', 'prctl',
]); // prettier-ignore

const NETWORK = new Set([
  'socket', 'socketpair', 'connect', 'bind', 'listen', 'accept', 'accept4', 'sendto', 'sendmsg', 'sendmmsg', 'send',
  'recvfrom', 'recvmsg', 'recvmmsg', 'recv', 'shutdown', 'getsockname', 'getpeername', 'getsockopt', 'setsockopt',
]); // prettier-ignore

const DESCRIPTOR_FILE_CALLS = new Set(['fchmod', 'fchown', 'ftruncate', 'fchdir', 'memfd_create']);

export function categoryOf(name: string): CallCategory {
  if (PROCESS.has(name)) return 'process';
  if (NETWORK.has(name)) return 'network';
  return (PATHS.has(name) && name !== 'mount' && name !== 'umount2') || DESCRIPTOR_FILE_CALLS.has(name)
    ? 'file'
    : 'system';
}
