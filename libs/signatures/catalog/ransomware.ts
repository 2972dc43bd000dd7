import { iocMark } from '../marks.js';
import { lockedFiles, notes } from '../rewritten.js';
import type { CodeSignature } from '../signature.js';

/** With a note beside them, few files are enough. */
const FILES = 3;

export default {
  name: 'ransomware_behaviour',
  description: 'Gives the user’s files a new extension and leaves a note that asks to be read',
  severity: 5,
  ttp: ['T1486'],
  match(evidence) {
    const locked = [...lockedFiles(evidence).values()].filter((files) => files.size >= FILES);
    const found = notes(evidence);
    if (locked.length === 0 || found.length === 0) return [];
    return [
      ...found.map((path) => iocMark('file', path, 'note')),
      ...locked.flatMap((files) => [...files].map((path) => iocMark('file', path))),
    ];
  },
} satisfies CodeSignature;
