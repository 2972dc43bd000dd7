import { open } from 'node:fs/promises';
import { reason } from '#domain/errors.js';
import { chooseAccelerator } from '#machinery/adapters/qemu/accelerator.js';
import { fail, ok, skipped, warn, type Verdict } from '../../verdict.js';
import type { Check } from './check.js';
import type { Configured } from './context.js';
import { defaultImage } from './guest.js';
import { ourName } from './owner.js';

/** The probe boot has its own limit; starting QEMU on a busy host takes a while. */
const PROBE_MS = 60_000;

/** Do guests run under KVM? A device that opens proves nothing: a guest must have booted. */
export function kvmCheck(configured: Configured): Check {
  return { name: 'KVM', ms: PROBE_MS, run: (signal) => kvm(configured, signal) };
}

async function kvm(configured: Configured, signal: AbortSignal): Promise<Verdict> {
  const { home, settings } = configured;
  const wanted = settings.qemu.accel;
  if (wanted === 'tcg') return ok('not used: accel = tcg in qemu.conf');
  const image = await defaultImage(configured);
  if (image === null) return await device(wanted);
  const chosen = await chooseAccelerator({
    image,
    dir: home.guests,
    onProgress: () => {},
    signal,
  });
  return judge(chosen, wanted);
}

/** @param accelerator what the proof chose, and the line that says why */
export function judge(
  { accelerator, reason: why }: Awaited<ReturnType<typeof chooseAccelerator>>,
  wanted: 'auto' | 'kvm' | 'tcg',
): Verdict {
  if (accelerator === 'kvm') return ok(why);
  const fix = fixOf(why);
  if (wanted === 'kvm')
    return fail(`${why}; accel = kvm in qemu.conf asks for it`, `${fix}; or write accel = auto`);
  return warn(why, `nothing must be done: analyses run, about ten times slower. For KVM: ${fix}`);
}

function fixOf(why: string): string {
  if (/EACCES|permission denied/i.test(why)) return `usermod -aG kvm ${ourName()}, then log in again`;
  if (/has no KVM/.test(why))
    return 'enable VT-x or AMD-V in the firmware (in a virtual machine: nested virtualization on its host), then `modprobe kvm_intel` or `modprobe kvm_amd`';
  return 'this KVM opens, but no guest boots under it: its nested virtualization is broken; update the kernel of this host and of the one it runs on, or use a physical one';
}

/** Without a guest there is nothing to boot. */
async function device(wanted: 'auto' | 'kvm'): Promise<Verdict> {
  try {
    await using _kvm = await open('/dev/kvm', 'r+');
    return skipped('/dev/kvm opens; a guest must boot under it for a proof, and none is built yet');
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const why = missing ? 'this host has no KVM' : reason(error);
    return judge({ accelerator: 'tcg', reason: `using TCG, emulation: ${why}` }, wanted);
  }
}
