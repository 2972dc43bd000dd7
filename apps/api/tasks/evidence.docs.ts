import { z } from 'zod';
import { BINARY } from '../../http/send.js';
import { download, json, refused } from '../openapi/answers.js';
import { PARTS, PARTS_HEADERS } from '../openapi/common-answers.js';
import type { Operation } from '../openapi/operation.js';
import { taskId } from '../openapi/parameters.js';

const noDump = refused('Memory dump not found');

export const getPcap: Operation = {
  tag: 'Results',
  summary: 'What went over the network',
  path: { id: taskId },
  headers: PARTS_HEADERS,
  answers: {
    200: download(BINARY, 'dump.pcap', 'A capture.'),
    ...PARTS,
    404: refused('File not found'),
    500: refused('An error occurred while reading PCAP'),
  },
};

export const listMemory: Operation = {
  tag: 'Results',
  summary: 'Memory dumps of single processes',
  path: { id: taskId },
  answers: {
    200: json(z.object({ dump_files: z.array(z.string()).meta({ examples: [['1908-1', '2240-1']] }) })),
    404: noDump,
  },
};

export const getMemory: Operation = {
  tag: 'Results',
  summary: 'The memory of one process',
  path: { id: taskId, name: z.string().meta({ description: 'One of the list.', examples: ['1908-1'] }) },
  headers: PARTS_HEADERS,
  answers: { 200: download(BINARY, '1908-1.dmp', 'The dump.'), ...PARTS, 404: noDump },
};

export const getFullMemory: Operation = {
  tag: 'Results',
  summary: 'The memory of the whole machine, where the web interface of Cuckoo has it',
  text: 'For tasks that were submitted with `memory`.',
  path: { id: taskId },
  headers: PARTS_HEADERS,
  answers: { 200: download(BINARY, '1-memory.dmp', 'The dump.'), ...PARTS, 404: noDump },
};
