import { StringFinder } from '#formats/strings.js';
import type { ProcessingModule } from '../processing.js';
import { sampleChunks } from '../sample-chunks.js';

/** Bytes of the sample searched. */
const SEARCHED_BYTES = 16 * 1024 * 1024;

/** Printable text in the file that was run. */
export const strings: ProcessingModule<'strings'> = {
  section: 'strings',
  needs: [],
  async run(folder, _note, signal) {
    const chunks = await sampleChunks(folder, signal);
    if (chunks === null) return undefined;
    const finder = new StringFinder();
    let left = SEARCHED_BYTES;
    for await (const chunk of chunks) {
      finder.push(chunk.subarray(0, left));
      left -= chunk.length;
      if (left <= 0) break;
    }
    const found = finder.finish();
    return found.length === 0 ? undefined : found;
  },
};
