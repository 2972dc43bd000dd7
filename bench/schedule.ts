import { parseArgs } from 'node:util';
import { benchLanes } from './schedule-lanes.js';
import { benchWorker } from './schedule-worker.js';
import { machineDescription } from './support.js';

/**
 * Scheduling, on fake machines: dispatch at lengths of the queue, what waiting costs, starts a second of one worker
 * with samples that end at once, and how busy it keeps 64 machines with samples of 60 s, 100 times faster. Prints one
 * JSON line.
 */
const { values } = parseArgs({
  options: {
    machines: { type: 'string', default: '64' },
    tasks: { type: 'string', default: '3000' },
    databases: { type: 'string', default: 'sqlite,postgresql' },
    only: { type: 'string', default: 'lanes,starts,utilisation' },
  },
});
const machines = Number(values.machines);
const parts = values.only.split(',');
const databases = values.databases.split(',').map((name) => (name === 'sqlite' ? name : 'postgresql'));

const lanes = parts.includes('lanes') ? await benchLanes([10, 1_000, 100_000]) : null;
const workers = [];
for (const database of databases) {
  for (const [part, runMs] of [
    ['starts', 0],
    ['utilisation', 600],
  ] as const) {
    if (parts.includes(part))
      workers.push(await benchWorker({ database, machines, tasks: Number(values.tasks), runMs }));
  }
}
console.log(JSON.stringify({ bench: 'schedule', ...machineDescription(), lanes, workers }));
