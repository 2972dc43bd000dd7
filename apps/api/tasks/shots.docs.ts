import { z } from 'zod';
import { content, download, refused } from '../openapi/answers.js';
import { PARTS, PARTS_HEADERS } from '../openapi/common-answers.js';
import type { Operation } from '../openapi/operation.js';
import { taskId } from '../openapi/parameters.js';

export const getShots: Operation = {
  tag: 'Results',
  summary: 'All screenshots',
  path: { id: taskId },
  headers: PARTS_HEADERS,
  answers: {
    200: download(
      'application/zip',
      '1-screenshots.zip',
      'Pictures `0001.jpg`, …; none at all is an empty archive.',
    ),
    ...PARTS,
    404: refused('Task not found'),
  },
};

export const getShot: Operation = {
  tag: 'Results',
  summary: 'One screenshot',
  path: {
    id: taskId,
    shot: z.string().meta({ description: 'Its name, also without the end.', examples: ['0001'] }),
  },
  headers: PARTS_HEADERS,
  answers: {
    200: content(['image/jpeg', 'image/png'], 'The picture.'),
    ...PARTS,
    404: refused('Screenshot not found!'),
  },
};
