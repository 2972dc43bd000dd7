import { constants } from 'node:fs';
import { access, mkdir, readFile, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

import type { Distribution } from './distribution.js';
import { run } from './run.js';

export interface BaseInputs {
  readonly distribution: Distribution;
  readonly packages: readonly string[];
  /** Shell script run once as root inside the new root file system; analyzer-guest/image/setup. */
  readonly setup: Buffer;
  /** PEM; trusted by everything in the guest. */
  readonly caCertificate: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** Days the guest seems to have been installed: nothing in it is younger. */
const AGE = 40;
const DAY = 86_400; // seconds

/** Manuals and translations: a third of the image, read by nobody. */
const LEFT_OUT = ['/usr/share/man/*', '/usr/share/doc/*', '/usr/share/info/*', '/usr/share/locale/*'];

/** Seconds since 1970, midnight UTC: what dates in the image are clamped to. */
export function installedOn(now: Date): number {
  return (Math.floor(now.getTime() / 1000 / DAY) - AGE) * DAY;
}

/**
 * Makes `folder`/base.tar, the root file system without our own files, and `folder`/kernel with boot/vmlinuz-*,
 * lib/modules/* and busybox. Takes about half a minute, most of it downloading and unpacking.
 */
export async function makeBase(
  folder: string,
  inputs: BaseInputs,
  log: FileHandle,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const root = process.getuid?.() === 0;
  if (!root) await requireUserNamespaces();
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'setup'), inputs.setup);
  await writeFile(join(folder, 'local-ca.crt'), inputs.caCertificate);
  const hooks = [
    'copy-in local-ca.crt /usr/local/share/ca-certificates',
    'copy-in setup /var/tmp',
    `chroot "$1" sh /var/tmp/setup ${inputs.distribution.kernel}`,
    'copy-out /var/tmp/kernel .',
    'rm -rf "$1"/var/tmp/setup "$1"/var/tmp/kernel',
  ];
  const args = [
    `--mode=${root ? 'root' : 'unshare'}`,
    '--variant=minbase',
    `--include=${inputs.packages.join(',')}`,
    ...LEFT_OUT.map((path) => `--dpkgopt=path-exclude=${path}`),
    ...hooks.map((hook) => `--customize-hook=${hook}`),
    inputs.distribution.suite,
    'base.tar',
    ...inputs.distribution.sources,
  ];
  const env = { SOURCE_DATE_EPOCH: String(installedOn(new Date())), ...inputs.environment };
  await run({ program: 'mmdebstrap', args, cwd: folder, env }, log, onLine, signal);
}

/** @throws Error that says which switch is off, and how to go on */
async function requireUserNamespaces(): Promise<void> {
  const value = async (path: string) => (await readFile(path, 'utf8').catch(() => '')).trim();
  const remedy = 'build the guest once as root (`sudo ./malkoha guest build`), or switch it on';
  if ((await value('/proc/sys/kernel/unprivileged_userns_clone')) === '0') {
    throw new Error(`user namespaces are off (sysctl kernel.unprivileged_userns_clone=0): ${remedy}`);
  }
  if ((await value('/proc/sys/user/max_user_namespaces')) === '0') {
    throw new Error(`user namespaces are off (sysctl user.max_user_namespaces=0): ${remedy}`);
  }
  const mapped = await access('/usr/bin/newuidmap', constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!mapped) throw new Error('newuidmap is missing: install the package uidmap');
  const user = await value('/proc/self/loginuid');
  const ranges = await value('/etc/subuid');
  if (ranges === '') {
    throw new Error(
      `no sub-user ids for this user (uid ${user}) in /etc/subuid: usermod --add-subuids 100000-165535 USER`,
    );
  }
}
