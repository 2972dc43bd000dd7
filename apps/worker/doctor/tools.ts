import { HOST_PACKAGES } from '#guest/image/recipe.js';
import { fail, ok, skipped, warn, type Verdict } from '../../verdict.js';
import type { Check } from './check.js';
import type { Configured } from './context.js';
import { tcpdumpPath } from './capture.js';
import { isLocal } from './libvirt.js';
import { machinesOnInterfaces, needsRooter } from './own-machines.js';
import { programPath, runProgram } from './program.js';

interface Tool {
  /** Name, or path. */
  readonly program: string;
  /** Debian and Ubuntu share the name of the package. */
  readonly apt: string;
  readonly why: string;
  /** How it is asked for its version; absent: its version matters to nothing. */
  readonly version?: {
    readonly args: readonly string[];
    /** In its first line. */
    readonly pattern: RegExp;
    /** The oldest that Malkoha was tried with. */
    readonly tried: string;
  };
  /** What does not work without it is not everything. */
  readonly optional?: true;
  /** Where Debian has no package of it. */
  readonly fix?: string;
  /** Newer systems have it in another folder than the path says. */
  readonly elsewhere?: true;
}

const QEMU: Tool = {
  program: 'qemu-system-x86_64',
  apt: 'qemu-system-x86',
  why: 'runs the machines',
  version: { args: ['--version'], pattern: /version (\d+\.\d+)/, tried: '7.2' },
};

const QEMU_IMG: Tool = {
  program: 'qemu-img',
  apt: 'qemu-utils',
  why: 'reads and copies disk images',
  version: { args: ['--version'], pattern: /version (\d+\.\d+)/, tried: '7.2' },
};

const SETPRIV: Tool = { program: 'setpriv', apt: 'util-linux', why: 'takes rights from what is started' };

const REDIS: Tool = {
  program: 'redis-server',
  apt: 'redis-server',
  why: 'the task queue',
  version: { args: ['--version'], pattern: /v=(\d+\.\d+)/, tried: '7.0' },
};

const BZIP2: Tool = {
  program: 'bzip2',
  apt: 'bzip2',
  why: 'packs the archives that the REST API gives out',
  optional: true,
};

const LIBVIRTD: Tool = {
  program: 'libvirtd',
  apt: 'libvirt-daemon-system',
  why: 'runs the machines of kvm.conf',
  version: { args: ['--version'], pattern: /(\d+\.\d+)/, tried: '9.0' },
};

const NFT: Tool = {
  program: 'nft',
  apt: 'nftables',
  why: 'closes guests in (the rooter runs it)',
  version: { args: ['--version'], pattern: /v(\d+\.\d+)/, tried: '1.0' },
};

const IP: Tool = { program: 'ip', apt: 'iproute2', why: 'makes routes (the rooter runs it)' };

function vboxManage(program: string): Tool {
  return {
    program,
    apt: 'virtualbox',
    fix: 'apt-get install virtualbox (Ubuntu), or the package of https://www.virtualbox.org/wiki/Linux_Downloads; or write its path as path of [virtualbox] in virtualbox.conf',
    why: 'runs the machines of virtualbox.conf',
    version: { args: ['-v'], pattern: /^(\d+\.\d+)/, tried: '6.1' },
  };
}

function tcpdump(program: string): Tool {
  return {
    program,
    elsewhere: true,
    apt: 'tcpdump',
    why: 'captures what guests send',
    version: { args: ['--version'], pattern: /version (\d+\.\d+)/, tried: '4.99' },
  };
}

/** What the configured machinery runs, and nothing else. */
export function toolChecks(configured: Configured): readonly Check[] {
  return toolsOf(configured).map((tool) => ({
    name: `program ${tool.program.slice(tool.program.lastIndexOf('/') + 1)}`,
    run: (signal) => look(tool, configured, signal),
  }));
}

function toolsOf(configured: Configured): readonly Tool[] {
  const { machinery, settings } = configured;
  const { kvm, virtualbox, auxiliary, qemu } = settings;
  const tools: Tool[] = [];
  if (settings.cuckoo.queue.connection === '') tools.push(REDIS);
  if (machinery.includes('qemu')) tools.push(QEMU, SETPRIV);
  if (machinery.includes('qemu') && qemu.guests !== 0)
    tools.push(...HOST_PACKAGES.map(({ program, apt, why }) => ({ program, apt, why })));
  if (machinery.includes('qemu') && qemu.machines.length > 0) tools.push(QEMU_IMG);
  if (machinery.includes('kvm') && isLocal(kvm.dsn)) tools.push(LIBVIRTD);
  if (machinery.includes('virtualbox') && virtualbox.host === '') tools.push(vboxManage(virtualbox.path));
  if (machinesOnInterfaces(configured).length > 0) {
    if (auxiliary.sniffer.enabled) tools.push(tcpdump(auxiliary.sniffer.tcpdump), SETPRIV);
    if (needsRooter(configured)) tools.push(NFT, IP);
  }
  tools.push(BZIP2);
  return [...new Set(tools)];
}

async function look(tool: Tool, { host }: Configured, signal: AbortSignal): Promise<Verdict> {
  const { program, apt, why, version } = tool;
  const path = tool.elsewhere === true ? await tcpdumpPath(program, host) : await programPath(program, host);
  if (path === null) {
    const where = program.startsWith('/') ? '' : `, on none of ${host.path}`;
    const found = `${program} is not there${where}; it ${why}`;
    const fix = tool.fix ?? `apt-get install ${apt}`;
    return tool.optional === true ? warn(found, fix) : fail(found, fix);
  }
  if (version === undefined) return ok(path);
  const { code, stdout, stderr } = await runProgram(path, version.args, host, signal);
  const [line = ''] = `${stdout}${stderr}`.split('\n');
  if (code !== 0) return fail(`${path} does not run: ${line}`, `apt-get install --reinstall ${apt}`);
  const number = version.pattern.exec(line)?.[1];
  if (number === undefined) return skipped(`${path} does not tell its version: ${line}`);
  if (isOlder(number, version.tried)) {
    return warn(
      `${path} is version ${number}; Malkoha was tried with ${version.tried} and newer`,
      `install ${apt} of a newer Debian or Ubuntu release (or of backports)`,
    );
  }
  return ok(`${path}, version ${number}`);
}

/** `6.10` is newer than `6.9`. */
export function isOlder(version: string, than: string): boolean {
  const [a = 0, b = 0] = version.split('.').map(Number);
  const [c = 0, d = 0] = than.split('.').map(Number);
  return a < c || (a === c && b < d);
}
