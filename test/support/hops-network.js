// Runs hops-network.ts in the network namespace that this process was started in. Prints what that found.
import process from 'node:process';
import { URL } from 'node:url';
import { Worker } from 'node:worker_threads';

const worker = new Worker(new URL('./hops-network.ts', import.meta.url), {
  execArgv: ['--import', new URL('./ts-hooks.js', import.meta.url).href],
});
worker.once('message', (found) => process.stdout.write(JSON.stringify(found)));
worker.once('error', (error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exitCode = 1;
});
