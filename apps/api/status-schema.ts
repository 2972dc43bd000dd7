import { z } from 'zod';

/** The API that is spoken here: clients look at the version before they ask for what only a 2.x has. */
export const CUCKOO_VERSION = '2.0.7';

const space = z.object({
  free: z.int().describe('Bytes free to us.'),
  total: z.int(),
  used: z.int(),
});

/** The keys of Cuckoo, from 1.0 to 2.0.7. */
export const status = z
  .object({
    version: z.string().describe('The API that is spoken here.'),
    protocol_version: z.int(),
    hostname: z.string(),
    tools: z.array(z.string()),
    machines: z.object({ total: z.int(), available: z.int() }),
    tasks: z.object({
      reported: z.int(),
      running: z.int(),
      total: z.int().describe('Of every status.'),
      completed: z.int(),
      pending: z.int(),
    }),
    diskspace: z.object({ analyses: space, binaries: space, temporary: space }),
    cpuload: z.array(z.number()).describe('Mean of 1, 5 and 15 minutes.'),
    cpu_count: z.int(),
    memory: z.number().nullable().describe('Percent in use.'),
    memavail: z.int().nullable().describe('kB.'),
    memtotal: z.int().nullable().describe('kB.'),
    processes: z.record(z.string(), z.int()).describe('Process ids by name.'),
  })
  .meta({
    id: 'Status',
    examples: [
      {
        version: CUCKOO_VERSION,
        protocol_version: 1,
        hostname: 'lab',
        tools: ['vanilla'],
        machines: { total: 4, available: 3 },
        tasks: { reported: 165, running: 1, total: 170, completed: 0, pending: 2 },
        diskspace: {
          analyses: { free: 80_000_000_000, total: 100_000_000_000, used: 20_000_000_000 },
          binaries: { free: 80_000_000_000, total: 100_000_000_000, used: 20_000_000_000 },
          temporary: { free: 80_000_000_000, total: 100_000_000_000, used: 20_000_000_000 },
        },
        cpuload: [0.7, 0.6, 0.4],
        cpu_count: 8,
        memory: 41.2,
        memavail: 9_630_000,
        memtotal: 16_380_000,
        processes: { cuckoo: 4100, api: 4098 },
      },
    ],
  });

export type Status = z.infer<typeof status>;
