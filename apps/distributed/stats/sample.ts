import { z } from 'zod';

/** What is shown of a status. Null: the node did not say. */
export interface Sample {
  readonly machines: number | null;
  /** Machines that run. */
  readonly running: number | null;
  /** Percent. */
  readonly cpu: number | null;
  /** Percent. */
  readonly memory: number | null;
  /** Bytes. */
  readonly disks: Readonly<Record<string, { readonly total: number; readonly used: number }>>;
  /** Names. */
  readonly processes: readonly string[];
}

/** A node that says more of these is not believed to be one. */
const MOST_NAMES = 64;

const amount = z.number().min(0);
const name = z.string().max(64);
const shape = z.object({
  machines: z.object({ total: amount, available: amount }).nullable().catch(null),
  cpuload: z.tuple([amount], z.unknown()).nullable().catch(null),
  cpu_count: z.number().positive().nullable().catch(null),
  memory: amount.nullable().catch(null),
  diskspace: few(z.object({ total: amount, used: amount })),
  processes: few(z.unknown()),
});

/** Anything that is named; what is no record, or has too many names, has none. */
function few<T extends z.ZodType>(
  value: T,
): z.ZodCatch<z.ZodRecord<z.ZodString, z.ZodCatch<z.ZodNullable<T>>>> {
  const each = value.nullable().catch(null as z.output<z.ZodNullable<T>>);
  return z
    .record(name, each)
    .refine((all) => Object.keys(all).length <= MOST_NAMES)
    .catch({});
}

/** Of an answer to GET cuckoo/status, which may be anything. */
export function readSample(status: unknown): Sample | null {
  const read = shape.safeParse(status);
  if (!read.success) return null;
  const { machines, cpuload, cpu_count: processors, memory, diskspace, processes } = read.data;
  const [load] = cpuload ?? [null];
  const disks = Object.entries(diskspace).flatMap(([disk, space]) =>
    space === null ? [] : [[disk, space] as const],
  );
  return {
    machines: machines && machines.total,
    running: machines && Math.max(0, machines.total - machines.available),
    cpu: load === null || processors === null ? null : Math.trunc((load / processors) * 100),
    memory: memory === null ? null : Math.trunc(memory),
    disks: Object.fromEntries(disks),
    processes: Object.keys(processes),
  };
}
