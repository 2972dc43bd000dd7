import { benchLanes } from './schedule-lanes.js';
import { machineDescription } from './support.js';
console.log(
  JSON.stringify({
    bench: 'schedule',
    machine: machineDescription(),
    lanes: await benchLanes([10, 1_000, 100_000]),
  }),
);
