import { parseArgs } from 'node:util';
import { benchLatency } from './distributed-latency.js';
import { benchNodesAlone, benchThroughput } from './distributed-throughput.js';
import { machineDescription } from './support.js';

/**
 * The Distributed API before scripted nodes, which run in a process of their own: what it adds to the time of one task,
 * with nodes that tell and nodes that have to be asked; tasks per second with many nodes, also when one of them hangs;
 * memory. The clients share the cores with both. Prints one JSON line.
 */
const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '100' },
    tasks: { type: 'string', default: '10000' },
    trips: { type: 'string', default: '100' },
    databases: { type: 'string', default: 'sqlite,postgresql' },
    only: { type: 'string', default: 'latency,throughput' },
  },
});
const parts = values.only.split(',');
const tasks = Number(values.tasks);
const nodes = Number(values.nodes);
const trips = Number(values.trips);

const latency = [];
if (parts.includes('latency')) {
  latency.push(await benchLatency('malkoha', trips, 100));
  // One that has to be asked is asked every ten seconds: fewer trips say as much.
  latency.push(await benchLatency('cuckoo', Math.ceil(trips / 10), 100));
}
const throughput = [];
if (parts.includes('throughput')) {
  for (const name of values.databases.split(','))
    throughput.push(
      await benchThroughput({ database: name === 'sqlite' ? 'sqlite' : 'postgresql', nodes, tasks }),
    );
}
const limit = parts.includes('throughput') ? await benchNodesAlone(nodes, tasks) : null;
console.log(
  JSON.stringify({ bench: 'distributed', ...machineDescription(), latency, throughput, nodes_alone: limit }),
);
