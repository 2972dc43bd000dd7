import type { ThreadProgram } from '#archives/unpacker.js';

/** The API's threads, from the sources: tests need no build. */
export const THREADS = {
  unpack: fromSource('../../libs/archives/unpack.thread.ts'),
  facts: fromSource('../../apps/api/facts/facts.thread.ts'),
};

function fromSource(path: string): ThreadProgram {
  return {
    url: new URL(path, import.meta.url),
    execArgv: ['--import', new URL('./ts-hooks.js', import.meta.url).href],
  };
}
