import { availableParallelism } from 'node:os';
import { MessageChannel } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { ThreadProgram } from '#archives/unpacker.js';
import type { Sample } from '#domain/task.js';
import type { FactsFollower } from '#storage/binaries.js';
import type { FactsJob } from './facts.thread.js';

const BUILT: ThreadProgram = { url: new URL('./facts.thread.js', import.meta.url), execArgv: [] };
/** Uploads that one thread follows: slow ones wait most of the time, and must not keep quick ones from ending. */
const AT_ONCE = 10_000;

/** Hashes and type of uploads, found in threads while the files are written. */
export class FactsThreads implements AsyncDisposable {
  #threads: Piscina<FactsJob, Omit<Sample, 'id'>> | undefined;

  constructor(private readonly program: ThreadProgram = BUILT) {}

  /** Starts the threads, which otherwise the first upload waits for. */
  warm(): Piscina<FactsJob, Omit<Sample, 'id'>> {
    return (this.#threads ??= new Piscina<FactsJob, Omit<Sample, 'id'>>({
      filename: this.program.url.href,
      execArgv: [...this.program.execArgv],
      minThreads: 1,
      maxThreads: Math.max(1, availableParallelism() - 1),
      concurrentTasksPerWorker: AT_ONCE,
    }));
  }

  /** Follows the file at `path`. Dispose it in any case. */
  follow(path: string): FactsFollower {
    const { port1: here, port2: grown } = new MessageChannel();
    const found = this.warm().run({ path, grown }, { transferList: [grown] });
    found.catch(() => {}); // for one that is given up; finish() throws it
    return {
      grew: (size) => here.postMessage(size),
      finish: async () => {
        here.postMessage('end');
        return found;
      },
      [Symbol.dispose]: () => here.close(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#threads?.destroy();
  }
}
