import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { Admission, thisHost, type AdmissionLimits, type HostFacts } from './admission.js';

const none: AdmissionLimits = { freespace: 0, minMemory: 0, maxLoad: 0, maxMachines: 0 };
const all: AdmissionLimits = { freespace: 100, minMemory: 200, maxLoad: 150, maxMachines: 4 };
const idle = { disk: 100, memory: 200, load: 3, cores: 2 };

function host(facts: Partial<typeof idle>): HostFacts {
  const { disk, memory, load, cores } = { ...idle, ...facts };
  return { freeDiskMb: async () => disk, memoryMb: async () => memory, load: () => load, cores };
}

let now: number;
beforeEach(() => {
  now = 10_000;
  jest.spyOn(performance, 'now').mockImplementation(() => now);
});
afterEach(() => {
  jest.restoreAllMocks();
});

test.each<[Partial<typeof idle>, number, string | null]>([
  [{}, 3, null],
  [{}, 4, '4 machines are in use, as many as max_machines_count in cuckoo.conf allows'],
  [{ disk: 99.9 }, 0, '99 MB are free on its disk; freespace in cuckoo.conf asks for 100'],
  [{ memory: 199.9 }, 0, '199 MB of memory are available; min_memory in cuckoo.conf asks for 200'],
  [{ load: 3.1 }, 0, 'the load per processor is 155 %; max_load in cuckoo.conf allows 150'],
  [
    { disk: 1, memory: 1, load: 99 },
    9,
    '9 machines are in use, as many as max_machines_count in cuckoo.conf allows',
  ],
  [{ disk: 1, memory: 1, load: 99 }, 0, '1 MB are free on its disk; freespace in cuckoo.conf asks for 100'],
])('a host with %j that runs %i', async (facts, running, why) => {
  expect(await new Admission(all, host(facts)).blocks(running)).toBe(why);
  expect(await new Admission(none, host(facts)).blocks(running)).toBeNull();
});

test('the host is looked at once a second, what runs each time', async () => {
  const facts = { disk: 1 };
  let looks = 0;
  const admission = new Admission(all, {
    ...host({}),
    freeDiskMb: async () => {
      looks += 1;
      return facts.disk;
    },
  });
  expect(await admission.blocks(0)).toContain('freespace');
  facts.disk = 500;
  now += 1_000;
  expect(await admission.blocks(0)).toContain('freespace');
  expect(looks).toBe(1);
  now += 1;
  expect(await admission.blocks(0)).toBeNull();
  expect(await admission.blocks(4)).toContain('max_machines_count');
  expect(looks).toBe(2);
});

test('this host has a disk, memory, a load and processors', async () => {
  const facts = thisHost(tmpdir());
  expect(await facts.freeDiskMb()).toBeGreaterThan(0);
  expect(await facts.memoryMb()).toBeGreaterThan(0);
  expect(facts.load()).toBeGreaterThanOrEqual(0);
  expect(facts.cores).toBeGreaterThan(0);
});
