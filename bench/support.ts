import { cpus, totalmem } from 'node:os';

/** What every benchmark says of the machine its numbers come from. */
export function machineDescription(): { node: string; cpu: string; cores: number; memory_gib: number } {
  return {
    node: process.version,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memory_gib: Math.round(totalmem() / 2 ** 30),
  };
}

/** Nearest rank, rounded to a tenth, or to so many decimals. */
export function percentile(numbers: readonly number[], percent: number, decimals = 1): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const at = Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1);
  return Number((sorted[at] ?? 0).toFixed(decimals));
}
