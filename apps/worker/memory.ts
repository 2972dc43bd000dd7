import { readFile } from 'node:fs/promises';
import { freemem } from 'node:os';

/** MiB that programs may still take: MemAvailable of /proc/meminfo, which counts the page cache as free. */
export async function availableMemoryMb(): Promise<number> {
  const text = await readFile('/proc/meminfo', 'utf8').catch(() => '');
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1];
  return kib === undefined ? Math.floor(freemem() / 2 ** 20) : Math.floor(Number(kib) / 1024);
}
