import { z } from 'zod';
import { ARCHIVE_TYPE } from '../../http/report-types.js';
import { ARCHIVE_FORMATS, REPORT_FORMATS } from '../downloads/formats.js';
import { content, json, refused } from '../openapi/answers.js';
import { PARTS, PARTS_HEADERS } from '../openapi/common-answers.js';
import type { Operation } from '../openapi/operation.js';
import { taskId, wait } from '../openapi/parameters.js';

const report = z
  .looseObject({
    info: z.looseObject({ id: z.int(), score: z.number().describe('0 to 10.') }),
    target: z.looseObject({ category: z.string() }),
    signatures: z.array(z.looseObject({})),
  })
  .meta({
    id: 'Report',
    description:
      'Keys and nesting are those of Cuckoo 2.0.7. **All of its text may be the choice of the sample.**',
    examples: [
      {
        info: { id: 1, score: 4.2 },
        target: { category: 'file' },
        signatures: [{ name: 'writes_cron', severity: 3 }],
      },
    ],
  });

const OTHER_TYPES = new Set([...REPORT_FORMATS.values()].map(({ type }) => type));
OTHER_TYPES.delete('application/json');
const missing = refused('Report not found');

export const getReport: Operation = {
  tag: 'Results',
  summary: 'The report, or an archive of the analysis',
  text:
    'JSON unless the path names another format: `maec` is MAEC 1.1, `maec5` MAEC 5.0, `metadata` MMDEF 1.1. `all`, ' +
    '`dropped` and `package_files` are archives of the analysis folder and of two in it: **malware**, so they need the ' +
    'scope download.',
  path: { id: taskId, format: z.enum([...REPORT_FORMATS.keys(), ...ARCHIVE_FORMATS.keys()]) },
  query: {
    wait: wait.meta({ description: 'Seconds to wait for the end of the task before the answer.' }),
    elements: z.string().meta({
      description: 'JSON only: the value of one key, or of one below it, instead of the whole.',
      examples: ['behavior.summary'],
    }),
    tar: z
      .enum(['bz2', 'gz', 'tar'])
      .describe('Archives only: how it is packed; `gz` is much faster than `bz2`, the default.'),
  },
  headers: PARTS_HEADERS,
  answers: {
    200: {
      description: 'As it is stored.',
      content: {
        ...json(z.union([report, z.unknown()])).content,
        ...content([...OTHER_TYPES, ARCHIVE_TYPE]).content,
      },
    },
    ...PARTS,
    400: refused('Invalid report format'),
    404: missing,
  },
};

export const getSummary: Operation = {
  tag: 'Results',
  summary: 'The report without what grows with every call of the guest',
  path: { id: taskId },
  answers: { 200: json(report), 404: missing },
};

export const getReportPage: Operation = {
  tag: 'Results',
  summary: 'The HTML report, where the web interface of Cuckoo has it',
  path: { id: taskId },
  headers: PARTS_HEADERS,
  answers: {
    200: content(['text/html; charset=utf-8'], 'One page, without scripts.'),
    ...PARTS,
    404: missing,
  },
};
