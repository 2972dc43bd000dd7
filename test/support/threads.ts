import type { ThreadProgram } from '#archives/unpacker.js';

/** The thread that unpacks, from the sources: tests need no build. */
export const UNPACK_THREAD: ThreadProgram = {
  url: new URL('../../libs/archives/unpack.thread.ts', import.meta.url),
  execArgv: ['--import', new URL('./ts-hooks.js', import.meta.url).href],
};
