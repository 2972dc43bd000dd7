import { mkdir, readFile } from 'node:fs/promises';
import { availableParallelism, hostname, loadavg } from 'node:os';
import { Controller, Get } from '@nestjs/common';
import { Needs } from '../http/access/needs.js';
import { Context } from './context.js';
import { diskSpace, type DiskSpace } from '../disk.js';
import { Describe } from './openapi/operation.js';
import { shared } from '../http/shared.js';
import { getStatus } from './status.docs.js';
import { CUCKOO_VERSION, type Status } from './status-schema.js';

@Controller('cuckoo')
export class StatusController {
  /** A hundred schedulers that ask at once cost as much as one. */
  readonly #now = shared(() => this.#status());

  constructor(private readonly by: Context) {}

  @Get('status')
  @Needs('read')
  @Describe(getStatus)
  async status(): Promise<Status> {
    return this.#now();
  }

  /** Schedulers ask every few seconds: a few cheap queries, and nothing that needs a worker to be there. */
  async #status(): Promise<Status> {
    const { tasks, machines, home } = this.by;
    const [counts, { total, available }, memory, analyses, binaries] = await Promise.all([
      tasks.counts(),
      machines.counts(),
      memoryUse(),
      space(home.analyses),
      space(home.binaries),
    ]);
    const { reported, running, completed, pending } = counts;
    return {
      version: CUCKOO_VERSION,
      protocol_version: 1,
      hostname: hostname(),
      tools: ['vanilla'],
      machines: { total, available },
      tasks: { reported, running, total: counts.total, completed, pending },
      // Uploads wait in the folder where they stay.
      diskspace: { analyses, binaries, temporary: binaries },
      cpuload: loadavg(),
      cpu_count: availableParallelism(),
      ...memory,
      processes: await this.#processes(),
    };
  }

  /** By the names of Cuckoo's pid files: `cuckoo` is what runs the machines. */
  async #processes(): Promise<Record<string, number>> {
    const [worker] = await this.by.machines.list();
    const [host, pid] = worker?.worker.split('/') ?? [];
    return { ...(host === hostname() && { cuckoo: Number(pid) }), api: process.pid };
  }
}

async function space(dir: string): Promise<DiskSpace> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  return diskSpace(dir);
}

/** @see proc(5), /proc/meminfo */
async function memoryUse(): Promise<Pick<Status, 'memory' | 'memavail' | 'memtotal'>> {
  const text = await readFile('/proc/meminfo', 'latin1').catch(() => ''); // not on every system: the keys are nullable
  const kilobytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? NaN);
  const [total, free] = [kilobytes('MemTotal'), kilobytes('MemAvailable')];
  if (Number.isNaN(total) || Number.isNaN(free)) return { memory: null, memavail: null, memtotal: null };
  return { memory: Math.round((1 - free / total) * 10_000) / 100, memavail: free, memtotal: total };
}
