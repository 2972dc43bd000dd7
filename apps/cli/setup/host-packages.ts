import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import type { MachineryName } from '#config/machineries.js';
import { SandboxError } from '#domain/errors.js';
import { HOST_PACKAGES } from '#guest/image/recipe.js';

export interface HostPackage {
  /** Debian and Ubuntu share the name. */
  readonly apt: string;
  /** The package is there when this program is on the PATH, or this path exists. */
  readonly program: string;
  readonly why: string;
}

const BZIP2: HostPackage = {
  apt: 'bzip2',
  program: 'bzip2',
  why: 'packs the archives that the REST API gives out',
};

const TCPDUMP: HostPackage = { apt: 'tcpdump', program: 'tcpdump', why: 'captures packets on bridges' };

/** What an API alone needs. */
export const API_PACKAGES: readonly HostPackage[] = [BZIP2];

/** For each kind of machinery, what its machines need. */
const MACHINERY_PACKAGES: Readonly<Record<MachineryName, readonly HostPackage[]>> = {
  qemu: [
    ...HOST_PACKAGES,
    { apt: 'qemu-system-x86', program: 'qemu-system-x86_64', why: 'the virtual machines' },
    BZIP2,
    { apt: 'util-linux', program: 'setpriv', why: 'ends the machines when the daemon is killed' },
  ],
  // libvirt and VirtualBox may be on another host: when they are not there, that is said with what to do.
  kvm: [TCPDUMP, BZIP2],
  virtualbox: [TCPDUMP, BZIP2],
  // The API says what to install when it is asked for an archive that it cannot pack.
  fake: [],
};

const REDIS: HostPackage = {
  apt: 'redis-server',
  program: 'redis-server',
  why: 'the task queue (a private one is started; the system service is not used)',
};

/** What a private queue needs. */
export const QUEUE_PACKAGES: readonly HostPackage[] = [REDIS];

/** What a lab with this machinery needs. */
export function labPackages(machinery: readonly MachineryName[]): readonly HostPackage[] {
  return [...machinery.flatMap((name) => MACHINERY_PACKAGES[name]), REDIS];
}

/** What changes the network of the host for guests on bridges. */
export const ROOTER_PACKAGES: readonly HostPackage[] = [
  { apt: 'nftables', program: 'nft', why: 'the rules of guests on bridges' },
  { apt: 'iproute2', program: 'ip', why: 'their routes' },
  { apt: 'conntrack', program: 'conntrack', why: 'ends connections together with the route they took' },
];

/** For the tests only. */
export const TEST_PACKAGES: readonly HostPackage[] = [
  { apt: 'chromium', program: 'chromium', why: 'opens the HTML report as a person would' },
  { apt: 'python3', program: 'python3', why: 'runs the in-guest agent and analyzer' },
  { apt: 'postgresql', program: 'initdb', why: 'the database of many hosts (a private one is started)' },
  { apt: 'curl', program: 'curl', why: 'a REST client that is not ours' },
  { apt: 'wget', program: 'wget', why: 'another REST client' },
  {
    apt: 'python3-requests',
    program: '/usr/lib/python3/dist-packages/requests',
    why: "what the REST API's first clients are written with",
  },
  { apt: 'unzip', program: 'unzip', why: 'reads our zip files' },
  { apt: 'libvirt-daemon', program: 'libvirtd', why: 'a real libvirt, in namespaces of its own' },
  {
    apt: 'libvirt-daemon-driver-qemu',
    program: '/usr/share/doc/libvirt-daemon-driver-qemu',
    why: 'QEMU under that libvirt',
  },
  { apt: 'libvirt-clients', program: 'virsh', why: "libvirt's own client, to compare with" },
  { apt: 'qemu-utils', program: 'qemu-img', why: 'makes disk images' },
  { apt: 'qemu-system-arm', program: 'qemu-system-arm', why: 'the boards of own machines' },
  { apt: 'qemu-system-mips', program: 'qemu-system-mips', why: 'the boards of own machines' },
  TCPDUMP,
  ...ROOTER_PACKAGES,
  { apt: 'openssh-server', program: 'sshd', why: 'a hypervisor on another host' },
];

/** Programs of the administrator are not always on a user's PATH. */
const ADMIN_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];
/** Debian keeps each major version's programs in a folder of its own. */
const POSTGRESQL = '/usr/lib/postgresql';

export function isInstalled(program: string): boolean {
  const versions = existsSync(POSTGRESQL) ? readdirSync(POSTGRESQL) : [];
  const folders = [
    ...(process.env['PATH'] ?? '').split(delimiter),
    ...ADMIN_FOLDERS,
    ...versions.map((version) => join(POSTGRESQL, version, 'bin')),
  ];
  return folders.some((folder) => {
    try {
      accessSync(resolve(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * Installs what is missing with apt, as root or through sudo, after saying what and why.
 *
 * @throws SETUP_MISSING with the one command to run when it may not install
 */
export async function ensurePackages(
  packages: readonly HostPackage[],
  say: (line: string) => void,
): Promise<void> {
  const missing = packages.filter(({ program }) => !isInstalled(program));
  if (missing.length === 0) return;
  const names = [...new Set(missing.map(({ apt }) => apt))];
  const command = `apt-get update && apt-get install -y --no-install-recommends ${names.join(' ')}`;
  say('These Debian packages are missing and will be installed:');
  for (const { apt, why } of missing) say(`  ${apt.padEnd(22)} ${why}`);

  const prefix = rootPrefix();
  if (prefix === null || !isInstalled('apt-get')) {
    throw new SandboxError('SETUP_MISSING', `cannot install packages as this user; run as root: ${command}`);
  }
  const script = `${START_NOTHING} export DEBIAN_FRONTEND=noninteractive; ${command}`;
  const [program, ...args] = [...prefix, 'sh', '-c', script];
  const failed = await runQuietly(program, args);
  const still = packages.filter(({ program }) => !isInstalled(program));
  if (failed !== null || still.length > 0) {
    const what = still.map(({ apt }) => apt).join(', ') || names.join(', ');
    throw new SandboxError(
      'SETUP_MISSING',
      `${what} could not be installed${failed === null ? '' : `:\n${failed}\n`}; run as root: ${command}`,
    );
  }
}

/**
 * Debian starts a service when it installs one. We want their programs only: no database or SSH server of the host's
 * shall listen because of us.
 *
 * @see https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt
 */
const START_NOTHING = [
  'policy=/usr/sbin/policy-rc.d;',
  'if [ ! -e "$policy" ]; then',
  `printf '#!/bin/sh\\nexit 101\\n' >"$policy" && chmod 755 "$policy";`,
  `trap 'rm -f "$policy"' EXIT; trap 'exit 130' INT TERM;`,
  'fi;',
].join(' ');

/** How to become root: nothing needed, sudo, or not at all. */
function rootPrefix(): readonly string[] | null {
  if (process.getuid?.() === 0) return [];
  return isInstalled('sudo') ? ['sudo'] : null;
}

/** Runs with the terminal's stdin (sudo may ask). Returns the end of its output when it failed. */
function runQuietly(program: string, args: readonly string[]): Promise<string | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['inherit', 'pipe', 'pipe'] });
    let output = '';
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-4000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', reject);
    child.on('close', (code) => resolve(code === 0 ? null : output));
  });
}
