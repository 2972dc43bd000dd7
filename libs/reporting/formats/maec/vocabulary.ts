import type { Call } from '#domain/report.js';

/**
 * System call → MAEC's word for what it does.
 *
 * @see https://maecproject.github.io/releases/5.0/MAEC_Vocabularies_Specification.pdf section 9, malware-action-ov
 */
const ACTIONS: Readonly<Record<string, string>> = {
  accept: 'accept-socket-connection',
  accept4: 'accept-socket-connection',
  bind: 'bind-address-to-socket',
  chdir: 'set-process-current-directory',
  chmod: 'set-file-or-directory-attributes',
  chown: 'set-file-or-directory-attributes',
  clone: 'create-process',
  clone3: 'create-process',
  connect: 'connect-to-socket',
  creat: 'create-file',
  delete_module: 'unload-driver',
  execve: 'execute-file',
  execveat: 'execute-file',
  fchdir: 'set-process-current-directory',
  fchmod: 'set-file-or-directory-attributes',
  fchmodat: 'set-file-or-directory-attributes',
  fchown: 'set-file-or-directory-attributes',
  fchownat: 'set-file-or-directory-attributes',
  finit_module: 'load-driver',
  fork: 'create-process',
  init_module: 'load-driver',
  kill: 'kill-process',
  lchown: 'set-file-or-directory-attributes',
  listen: 'listen-on-socket',
  mkdir: 'create-directory',
  mkdirat: 'create-directory',
  mount: 'mount-disk',
  open: 'open-file',
  openat: 'open-file',
  openat2: 'open-file',
  process_vm_writev: 'write-to-process-memory',
  recvfrom: 'receive-data-on-socket',
  recvmmsg: 'receive-data-on-socket',
  recvmsg: 'receive-data-on-socket',
  rename: 'move-file',
  renameat: 'move-file',
  renameat2: 'move-file',
  rmdir: 'delete-directory',
  sendmmsg: 'send-data-on-socket',
  sendmsg: 'send-data-on-socket',
  sendto: 'send-data-on-socket',
  socket: 'create-socket',
  symlink: 'create-file-symbolic-link',
  symlinkat: 'create-file-symbolic-link',
  tgkill: 'kill-thread',
  tkill: 'kill-thread',
  truncate: 'write-to-file',
  umount2: 'unmount-disk',
  unlink: 'delete-file',
  unlinkat: 'delete-file',
  utimensat: 'set-file-or-directory-attributes',
  vfork: 'create-process',
};

/** Is the flag among the arguments? Paths are not flags, whatever they are called. */
function has({ arguments: args }: Call, flag: string): boolean {
  return Object.values(args).some((arg) => !arg.startsWith('/') && arg.includes(flag));
}

/** An open vocabulary: what it has no word for gets the call's own name, in its spelling. */
export function actionName(call: Call): string {
  const name = Object.hasOwn(ACTIONS, call.api) ? ACTIONS[call.api] : undefined;
  if (name === undefined) return (call.api.toLowerCase().match(/[a-z0-9]+/g) ?? ['unknown']).join('-');
  if (name === 'open-file' && has(call, 'O_CREAT')) return 'create-file';
  if (name === 'delete-file' && has(call, 'AT_REMOVEDIR')) return 'delete-directory';
  if (name === 'create-process' && has(call, 'CLONE_THREAD')) return 'create-thread';
  return name;
}

const HTTP = new Set(['connect', 'delete', 'get', 'head', 'options', 'patch', 'post', 'put', 'trace']);

export function requestName(method: string): string {
  const name = method.toLowerCase();
  return HTTP.has(name) ? `send-http-${name}-request` : 'send-http-request';
}

/** Where the paths of a call are: arguments that it needs to be there, and that it makes. */
export interface Paths {
  readonly input?: string;
  readonly output?: string;
}

const INPUT: Readonly<Record<string, string>> = {
  chdir: 'p0', chmod: 'p0', chown: 'p0', execve: 'p0', execveat: 'p1', fchmodat: 'p1', fchownat: 'p1', lchown: 'p0',
  open: 'p0', openat: 'p1', openat2: 'p1', rename: 'p0', renameat: 'p1', renameat2: 'p1', rmdir: 'p0', truncate: 'p0',
  unlink: 'p0', unlinkat: 'p1', link: 'p0', linkat: 'p1',
}; // prettier-ignore
const OUTPUT: Readonly<Record<string, string>> = {
  creat: 'p0', link: 'p1', linkat: 'p3', mkdir: 'p0', mkdirat: 'p1', rename: 'p1', renameat: 'p3', renameat2: 'p3',
  symlink: 'p1', symlinkat: 'p2',
}; // prettier-ignore

/** Absolute paths only: what could not be resolved says little, and is in the arguments. */
function path(call: Call, table: Readonly<Record<string, string>>): string | undefined {
  const place = Object.hasOwn(table, call.api) ? table[call.api] : undefined;
  const value = place === undefined ? undefined : call.arguments[place];
  return value?.startsWith('/') === true ? value : undefined;
}

export function pathsOf(call: Call): Paths {
  const input = path(call, INPUT);
  const output = path(call, OUTPUT);
  // An open with O_CREAT has its file as the result, not as what was there.
  if (input !== undefined && actionName(call) === 'create-file') return { output: input };
  return { ...(input !== undefined && { input }), ...(output !== undefined && { output }) };
}
