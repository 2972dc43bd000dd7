import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { ResultServer } from '#resultserver/resultserver.js';
import { machineDescription } from './support.js';

/**
 * What the result server takes from guests over loopback: one large upload, four at a time, many small ones. The
 * senders are threads of their own, so that only the server uses the main one. Prints one JSON line.
 */
const LARGE_MIB = 512;
const SMALL_FILES = 5_000;
const SMALL_BYTES = 2_048;
const SMALL_AT_A_TIME = 8;

interface Work {
  readonly port: number;
  readonly names: readonly string[];
  readonly bytes: number;
  readonly atATime: number;
}

/** Uploads each name and waits until the server has stored it, as its closing tells. */
async function send({ port, names, bytes, atATime }: Work): Promise<void> {
  const chunk = Buffer.alloc(Math.min(bytes, 1024 * 1024), 'malware');
  const waiting = [...names];
  const sender = async () => {
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
      const socket = connect(port, '127.0.0.1').resume();
      const closed = once(socket, 'close');
      socket.write(`FILE 2\nfiles/${name}\nC:\\${name}\n752\n`);
      for (let left = bytes; left > 0; left -= chunk.length) {
        if (!socket.write(chunk)) await once(socket, 'drain');
      }
      socket.end();
      await closed;
    }
  };
  await Promise.all(Array.from({ length: atATime }, sender));
}

/** Seconds from start to the last file stored. */
async function timed(works: readonly Work[]): Promise<number> {
  const workers = works.map((work) => new Worker(new URL(import.meta.url), { workerData: work }));
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  const before = performance.now();
  for (const worker of workers) worker.postMessage('go');
  await Promise.all(workers.map((worker) => once(worker, 'exit')));
  return (performance.now() - before) / 1000;
}

async function main(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'malkoha-bench-'));
  const server = new ResultServer({ limits: { uploadBytes: 0, totalBytes: 0 } });
  try {
    const { port } = await server.listen('127.0.0.1', 0);
    const task = await server.open({ id: 1, dir, dialect: 'malkoha', guestIp: '127.0.0.1' });
    const mib = 1024 * 1024;
    const large = (names: string[]): Work => ({ port, names, bytes: LARGE_MIB * mib, atATime: 1 });

    const rss = process.memoryUsage().rss;
    let peak = rss;
    const sampler = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 20);
    const one = await timed([large(['one'])]);
    const four = await timed(['a', 'b', 'c', 'd'].map((name) => large([name])));
    const names = Array.from({ length: SMALL_FILES }, (_, n) => `small${n}`);
    const small = await timed([{ port, names, bytes: SMALL_BYTES, atATime: SMALL_AT_A_TIME }]);
    clearInterval(sampler);

    const round = (number: number) => Math.round(number);
    const result = {
      bench: 'resultserver',
      one_upload_mib_per_s: round(LARGE_MIB / one),
      four_uploads_mib_per_s: round((4 * LARGE_MIB) / four),
      small_files_per_s: round(SMALL_FILES / small),
      small_file_bytes: SMALL_BYTES,
      // Senders included: they are threads of this process.
      peak_rss_growth_mib: round((peak - rss) / mib),
      stored: task.stats,
      ...machineDescription(),
    };
    process.stdout.write(`${JSON.stringify(result)}\n`);
  } finally {
    await server[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  }
}

if (isMainThread) {
  await main();
} else {
  parentPort?.postMessage('ready');
  if (parentPort) await once(parentPort, 'message');
  await send(workerData as Work);
  parentPort?.close();
}
