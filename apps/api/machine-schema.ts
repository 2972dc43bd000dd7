import { z } from 'zod';
import { date } from './tasks/task-schema.js';

export const machine = z
  .object({
    id: z.int(),
    name: z.string(),
    label: z.string().describe('What the hypervisor calls it; a submission may ask for it by this.'),
    ip: z.string(),
    platform: z.string(),
    resultserver_ip: z.string(),
    // Text: the founding document's servers sent it so, and clients convert.
    resultserver_port: z.string().describe('A number, as text.'),
    tags: z.array(z.string()),
    interface: z.string().nullable(),
    snapshot: z.string().nullable(),
    locked: z.boolean().describe('In use.'),
    locked_changed_on: date.nullable(),
    status: z.string().nullable().describe('As the hypervisor calls it; `null` before its first use.'),
    status_changed_on: date.nullable(),
    options: z.array(z.string()),
    rcparams: z.strictObject({}),
  })
  .meta({
    id: 'Machine',
    examples: [
      {
        id: 1,
        name: 'linux1',
        label: 'linux1',
        ip: '192.168.56.101',
        platform: 'linux',
        resultserver_ip: '192.168.56.1',
        resultserver_port: '2042',
        tags: ['x64'],
        interface: null,
        snapshot: null,
        locked: false,
        locked_changed_on: '2026-03-02 09:15:12',
        status: 'running',
        status_changed_on: '2026-03-02 09:15:12',
        options: [],
        rcparams: {},
      },
    ],
  });

export type MachineView = z.infer<typeof machine>;
