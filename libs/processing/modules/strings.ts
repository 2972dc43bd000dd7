import { StringFinder } from '#formats/strings.js';
import type { ProcessingModule } from '../processing.js';
import { chunksOf } from '../reading.js';

/** Bytes of the sample searched. */
const SEARCHED_BYTES = 16 * 1024 * 1024;

/** Printable text in the sample. */
export const strings: ProcessingModule<'strings'> = {
  section: 'strings',
  needs: [],
  async run(folder, _note, signal) {
    const path = folder.task.task.category === 'file' ? await folder.sample() : null;
    if (path === null) return undefined;
    const finder = new StringFinder();
    for await (const chunk of chunksOf(path, signal, SEARCHED_BYTES)) finder.push(chunk);
    const found = finder.finish();
    return found.length === 0 ? undefined : found;
  },
};
