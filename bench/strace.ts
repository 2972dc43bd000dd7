/**
 * How fast a strace log becomes processes, files and connections. Prints one JSON line.
 *
 *     node dist/bench/strace.js [log] [megabytes=200]
 *
 * Without a log it repeats the recorded ones of the tests, under other pids and paths each time, so that nothing is cheaper
 * than in a long run.
 */
import { readFileSync } from 'node:fs';
import { TraceBuilder } from '#processing/trace/trace.js';

const [, , log, megabytes = '200'] = process.argv;
const CHUNK_BYTES = 256 * 1024;

function recorded(bytes: number): Buffer {
  const texts = ['dropper', 'python', 'daemon', 'threads'].map((name) =>
    readFileSync(`test/fixtures/strace/${name}.log`, 'latin1'),
  );
  const parts: Buffer[] = [];
  let size = 0;
  for (let round = 0; size < bytes; round++) {
    for (const text of texts) {
      const pid = (found: string): string => String(Number(found) + round * 300);
      const fresh = text.replace(/\b19[2-5]\d\d\b/g, pid).replaceAll('/tmp/', `/tmp/${round % 5000}/`);
      parts.push(Buffer.from(fresh, 'latin1'));
      size += fresh.length;
    }
  }
  return Buffer.concat(parts);
}

const bytes = log === undefined ? recorded(Number(megabytes) * 1e6) : readFileSync(log);
const builder = new TraceBuilder();
const began = process.cpuUsage();
const started = performance.now();
for (let at = 0; at < bytes.length; at += CHUNK_BYTES) builder.push(bytes.subarray(at, at + CHUNK_BYTES));
const trace = builder.finish();
const seconds = (performance.now() - started) / 1000;
const { user, system } = process.cpuUsage(began);
const cpu = (user + system) / 1e6;
console.log(
  JSON.stringify({
    bench: 'strace',
    megabytes: Math.round(bytes.length / 1e5) / 10,
    seconds: Math.round(seconds * 1000) / 1000,
    megabytes_per_second: Math.round(bytes.length / 1e5 / seconds) / 10,
    // On a machine that does other things too, this is the number that repeats.
    megabytes_per_cpu_second: Math.round(bytes.length / 1e5 / cpu) / 10,
    processes: trace.processes.length,
    rss_megabytes: Math.round(process.memoryUsage().rss / 1e6),
  }),
);
