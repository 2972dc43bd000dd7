import { iocMark } from '../marks.js';
import { lockedFiles } from '../rewritten.js';
import type { CodeSignature } from '../signature.js';

/** Files with the same added extension. */
const FILES = 10;

export default {
  name: 'adds_extension_to_many_files',
  description: 'Gives many of the user’s files the same new extension',
  severity: 4,
  ttp: ['T1486'],
  match: (evidence) =>
    [...lockedFiles(evidence)].flatMap(([extension, files]) =>
      files.size >= FILES ? [...files].map((path) => iocMark('file', path, `now ends in ${extension}`)) : [],
    ),
} satisfies CodeSignature;
