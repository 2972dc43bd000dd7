import { readFile } from 'node:fs/promises';
import { availableMemoryMb } from '../memory.js';
import { diskSpace } from '../../disk.js';
import { fail, ok, skipped, warn, type Verdict } from '../../verdict.js';
import type { Check } from './check.js';
import type { Configured, Host } from './context.js';
import { nearestFolder } from './folders.js';

/** `engines` of package.json. */
const NODE = { major: 20, minor: 19 };

/** Files that one running analysis keeps open: its machine, its network, its results; generously. */
const FILES_PER_MACHINE = 256;
/** And what a process needs besides: database, Redis, logs, requests. */
const FILES_OF_ITS_OWN = 512;

/** What the machine itself must have, whatever runs on it. */
export function hostChecks(configured: Configured): readonly Check[] {
  return [
    { name: 'memory', run: () => memory(configured) },
    { name: 'disk space', run: () => disk(configured) },
    { name: 'open files', run: () => openFiles(configured) },
  ];
}

export function nodeVersion({ nodeVersion: version }: Host): Verdict {
  const [major = 0, minor = 0] = version.slice(1).split('.').map(Number);
  if (major > NODE.major || (major === NODE.major && minor >= NODE.minor)) return ok(`Node.js ${version}`);
  return fail(
    `Node.js ${version} is too old`,
    `install Node.js ${NODE.major}.${NODE.minor} or newer (https://nodejs.org)`,
  );
}

async function memory({ settings, machinery }: Configured): Promise<Verdict> {
  const free = await availableMemoryMb();
  const { min_memory: least } = settings.cuckoo.scheduler;
  // A guest takes little of its memory at first, and may take all.
  const guest = machinery.includes('qemu') ? settings.qemu.memory : 0;
  if (free < least) {
    return fail(
      `${free} MB are available; no analysis begins below ${least} MB`,
      `end what takes the memory (\`ps aux --sort=-rss | head\`), or lower min_memory of [scheduler] in cuckoo.conf`,
    );
  }
  if (free < least + guest) {
    return warn(
      `${free} MB are available: fewer than one guest (${guest} MB) and the reserve (${least} MB) may need`,
      'end what takes the memory, add some, or lower memory of [qemu] in qemu.conf',
    );
  }
  return ok(`${free} MB are available`);
}

async function disk({ home, settings }: Configured): Promise<Verdict> {
  const { freespace } = settings.cuckoo.cuckoo;
  const folder = await nearestFolder(home.storage);
  const free = Math.floor((await diskSpace(folder)).free / 2 ** 20);
  if (free < freespace) {
    return fail(
      `${free} MB are free in ${folder}; ${freespace} MB must be, or no analysis begins`,
      `free ${freespace - free} MB there, or lower freespace of [cuckoo] in cuckoo.conf`,
    );
  }
  return ok(`${free} MB are free in ${folder}`);
}

async function openFiles({ host, settings, machinery }: Configured): Promise<Verdict> {
  const limits = await readFile(host.limitsFile, 'latin1').catch(() => '');
  // Node raises its own limit to the hard one.
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1];
  if (hard === undefined) return skipped('this kernel does not tell');
  if (hard === 'unlimited') return ok('no limit');
  const guests = settings.qemu.guests === 'auto' ? 4 : settings.qemu.guests;
  const wanted = FILES_OF_ITS_OWN + FILES_PER_MACHINE * (machinery.includes('qemu') ? guests : 1);
  if (Number(hard) >= wanted) return ok(`up to ${hard}`);
  const text = `a process may have ${hard} files open; ${wanted} may be needed`;
  const fix =
    'as a service: LimitNOFILE=65536 in its unit; in a shell, before the start: `ulimit -n 65536` (root first raises the hard limit: "* hard nofile 65536" in /etc/security/limits.conf, then log in again)';
  return Number(hard) < FILES_OF_ITS_OWN ? fail(text, fix) : warn(text, fix);
}
