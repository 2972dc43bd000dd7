import { availableParallelism, loadavg } from 'node:os';
import { diskSpace } from '../disk.js';
import { availableMemoryMb } from './memory.js';

export interface AdmissionLimits {
  /** MB that must be free in `storage`; 0: not looked at. */
  readonly freespace: number;
  /** MB of memory that must be available; 0: not looked at. */
  readonly minMemory: number;
  /** Percent of one processor, of the load per processor; 0: not looked at. */
  readonly maxLoad: number;
  /** Analyses at a time; 0: as many as there are machines. */
  readonly maxMachines: number;
}

/** What of the host is looked at, so that tests can say what there is. */
export interface HostFacts {
  freeDiskMb(): Promise<number>;
  memoryMb(): Promise<number>;
  /** Mean of the last minute. */
  load(): number;
  readonly cores: number;
}

/** Milliseconds a look at disk, memory and load is good for. */
const LOOK_MS = 1_000;

/** Whether this host may begin one more analysis, and if not, why: the first reason an operator can act on. */
export class Admission {
  #looked = -Infinity;
  #why: string | null = null;

  constructor(
    private readonly limits: AdmissionLimits,
    private readonly host: HostFacts,
  ) {}

  async blocks(running: number): Promise<string | null> {
    const { maxMachines } = this.limits;
    if (maxMachines > 0 && running >= maxMachines)
      return `${running} machines are in use, as many as max_machines_count in cuckoo.conf allows`;
    if (performance.now() - this.#looked > LOOK_MS) {
      this.#why = await this.#look();
      this.#looked = performance.now();
    }
    return this.#why;
  }

  async #look(): Promise<string | null> {
    const { freespace, minMemory, maxLoad } = this.limits;
    const [disk, memory] = await Promise.all([
      freespace > 0 ? this.host.freeDiskMb() : Infinity,
      minMemory > 0 ? this.host.memoryMb() : Infinity,
    ]);
    if (disk < freespace)
      return `${Math.floor(disk)} MB are free on its disk; freespace in cuckoo.conf asks for ${freespace}`;
    if (memory < minMemory)
      return `${Math.floor(memory)} MB of memory are available; min_memory in cuckoo.conf asks for ${minMemory}`;
    const load = Math.round((100 * this.host.load()) / this.host.cores);
    if (maxLoad > 0 && load > maxLoad)
      return `the load per processor is ${load} %; max_load in cuckoo.conf allows ${maxLoad}`;
    return null;
  }
}

/** This host, with the disk that holds `storage`. */
export function thisHost(storage: string): HostFacts {
  return {
    freeDiskMb: async () => (await diskSpace(storage)).free / 2 ** 20,
    memoryMb: availableMemoryMb,
    load: () => loadavg()[0] ?? 0,
    cores: availableParallelism(),
  };
}
