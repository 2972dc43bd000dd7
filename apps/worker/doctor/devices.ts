import { open, stat } from 'node:fs/promises';
import { fail, ok, skipped, type Verdict } from '../../verdict.js';
import type { Check } from './check.js';
import type { Configured, Host } from './context.js';
import { machinesOnInterfaces, needsRooter } from './own-machines.js';
import { ourName } from './owner.js';
import { programPath, runProgram } from './program.js';

/** What the kernel must have for guests behind an interface; the default guest needs nothing of it. */
export function deviceChecks(configured: Configured): readonly Check[] {
  const { machinery, host, settings } = configured;
  const checks: Check[] = [];
  // libvirt makes the taps of its guests itself, as root.
  const own = new Set<unknown>(settings.qemu.machines);
  if (machinery.includes('qemu') && machinesOnInterfaces(configured).some((one) => own.has(one)))
    checks.push({ name: '/dev/net/tun', run: tun });
  if (needsRooter(configured)) checks.push({ name: 'nf_tables', run: (signal) => nfTables(host, signal) });
  return checks;
}

async function tun(): Promise<Verdict> {
  try {
    await using _device = await open('/dev/net/tun', 'r+');
    return ok('/dev/net/tun opens');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENODEV')
      return fail(
        'this kernel has no /dev/net/tun: no guest can be put on a bridge',
        'as root: modprobe tun',
      );
    return fail(
      `${ourName()} cannot open /dev/net/tun: ${message}`,
      'as root: chmod 666 /dev/net/tun (as udev does)',
    );
  }
}

/** Only root may ask nftables itself. */
async function nfTables(host: Host, signal: AbortSignal): Promise<Verdict> {
  const nft = await programPath('nft', host);
  if (process.geteuid?.() === 0 && nft !== null) {
    const { code, stderr } = await runProgram(nft, ['list', 'tables'], host, signal);
    if (code === 0) return ok('nftables answers');
    return fail(
      `nftables does not work: ${stderr.trim()}`,
      'as root: modprobe nf_tables; in a container: on its host',
    );
  }
  const loaded = await stat('/sys/module/nf_tables').catch(() => null);
  if (loaded !== null) return ok('the kernel has it');
  return skipped('only root can tell whether the kernel has it; the rooter says so when it starts');
}
