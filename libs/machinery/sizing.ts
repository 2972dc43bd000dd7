/** Memory that the host, the daemon and one copy of the template's RAM want for themselves, MiB. */
const RESERVED_MB = 1024;

/** What one QEMU takes beside the guest's RAM, MiB; measured 40–66. */
const PER_MACHINE_MB = 96;

/** More than four guests on one disk and one report writer gain little, and surprise whoever wanted one report. */
const MOST = 4;

/** Samples sleep and wait more than they compute: two machines a core keep it busy. */
const PER_CORE = 2;

/** How many machines this host should have: 1–4. `memoryMb` is what is available, not what is built in. */
export function defaultMachineCount(host: { memoryMb: number; cores: number; guestMb: number }): number {
  const byMemory = Math.floor((host.memoryMb - RESERVED_MB) / (host.guestMb + PER_MACHINE_MB));
  return Math.max(1, Math.min(MOST, byMemory, host.cores * PER_CORE));
}
