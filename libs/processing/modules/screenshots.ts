import { readdir } from 'node:fs/promises';
import { ARTIFACTS } from '#domain/artifacts.js';
import type { ProcessingModule } from '../processing.js';

/** One per second for half an hour. */
const MAX_SHOTS = 2000;

/** Pictures of the screen in the order they were taken: their names are numbers. Thumbnails (`_small`) are no shots. */
export const screenshots: ProcessingModule<'screenshots'> = {
  section: 'screenshots',
  needs: [ARTIFACTS.shots],
  async run(folder, note) {
    const entries = await readdir(folder.path(ARTIFACTS.shots), { withFileTypes: true });
    const names = entries
      .filter((entry) => entry.isFile() && /^[A-Za-z0-9-]{1,64}\.(?:jpe?g|png)$/.test(entry.name))
      .map(({ name }) => name)
      .sort((a, b) => (Number.parseInt(a, 10) || 0) - (Number.parseInt(b, 10) || 0) || (a < b ? -1 : 1));
    if (names.length > MAX_SHOTS)
      note(`Only the first ${MAX_SHOTS} of ${names.length} screenshots are listed.`);
    if (names.length === 0) return undefined;
    return names.slice(0, MAX_SHOTS).map((name) => ({ path: `${ARTIFACTS.shots}/${name}`, ocr: '' }));
  },
};
