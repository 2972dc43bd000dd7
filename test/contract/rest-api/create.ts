import { expect } from '@jest/globals';
import { SENTENCE, type Row } from './row.js';

const ID: unknown = expect.any(Number);
const ALL_FIELDS = {
  package: 'sh',
  timeout: '60',
  priority: '3',
  options: 'free=yes',
  machine: 'cuckoo1',
  platform: 'linux',
  tags: '32bit,acrobat_6',
  custom: 'ticket 7',
  owner: 'ann',
  memory: '1',
  enforce_timeout: 'True',
  clock: '12-19-2012 14:18:25',
};
const ALL_STORED = {
  ...{ package: 'sh', timeout: 60, priority: 3, options: 'free=yes', machine: 'cuckoo1', platform: 'linux' },
  ...{ tags: ['32bit', 'acrobat_6'], custom: 'ticket 7', owner: 'ann', memory: true, enforce_timeout: true },
  clock: '2012-12-19 14:18:25',
};
const NONE_STORED = {
  ...{ package: null, timeout: 0, priority: 1, options: null, machine: null, platform: null, tags: [] },
  ...{ custom: null, owner: null, memory: false, enforce_timeout: false, status: 'pending' },
};

/** rest-api.md §3.1–§3.3. */
export const CREATE: readonly Row[] = [
  {
    says: '§3.1 create/file answers with both keys',
    ask: 'POST /tasks/create/file',
    files: [['file', 'a.exe', 'MZ']],
    status: 200,
    json: { task_id: ID, task_ids: [ID] },
    then: [
      { ask: 'GET /tasks/view/{task_id}', status: 200, has: { task: { category: 'file', ...NONE_STORED } } },
    ],
  },
  {
    says: '§3.1 every field of create/file is stored and returned',
    ask: 'POST /tasks/create/file',
    files: [['file', 'a.exe', 'MZ']],
    form: ALL_FIELDS,
    status: 200,
    then: [{ ask: 'GET /tasks/view/{task_id}', status: 200, has: { task: ALL_STORED } }],
  },
  {
    says: '§3.1 the alert fields of the modified Cuckoo are taken',
    ask: 'POST /tasks/create/file',
    files: [['file', 'a.exe', 'MZ']],
    form: { shrike_url: 'x', shrike_msg: 'x', shrike_sid: '1', shrike_refer: 'x' },
    status: 200,
  },
  {
    says: '§3.1 one upload is one task, also of a container',
    ask: 'POST /tasks/create/file',
    files: [['file', 'a.zip', 'PK\u0005\u0006' + '\u0000'.repeat(18)]],
    status: 200,
    json: { task_id: ID, task_ids: [ID] },
  },
  {
    says: '§3.1 unique refuses a known file without a task_id',
    given: 'pending',
    ask: 'POST /tasks/create/file',
    files: [['file', 'again.sh', '#!/bin/sh\necho pending']],
    form: { unique: '1' },
    status: 400,
    json: { message: 'This file has already been submitted' },
  },
  {
    says: '§3.1 a task that no machine could ever serve is created all the same',
    ask: 'POST /tasks/create/file',
    files: [['file', 'a.exe', 'MZ']],
    form: { machine: 'no such machine' },
    status: 200,
  },
  {
    says: '§3.2 create/url answers with both keys',
    ask: 'POST /tasks/create/url',
    form: { url: 'http://www.malicious.site' },
    status: 200,
    json: { task_id: ID, task_ids: [ID] },
    then: [
      {
        ask: 'GET /tasks/view/{task_id}',
        status: 200,
        has: {
          task: {
            category: 'url',
            target: 'http://www.malicious.site',
            sample_id: null,
            sample: {},
            ...NONE_STORED,
          },
        },
      },
    ],
  },
  {
    says: '§3.2 every field of create/url is stored and returned, from an urlencoded form too',
    ask: 'POST /tasks/create/url',
    urlencoded: { url: 'http://www.malicious.site', ...ALL_FIELDS },
    status: 200,
    then: [{ ask: 'GET /tasks/view/{task_id}', status: 200, has: { task: ALL_STORED } }],
  },
  {
    says: '§3.2 a bare domain is stored as it is',
    ask: 'POST /tasks/create/url',
    form: { url: 'example.test' },
    status: 200,
    then: [{ ask: 'GET /tasks/view/{task_id}', status: 200, has: { task: { target: 'example.test' } } }],
  },
  {
    says: '§3.2 a URL with a control character is 400',
    ask: 'POST /tasks/create/url',
    form: { url: 'http://a\u0001' },
    status: 400,
    json: { message: SENTENCE },
  },
  {
    says: '§3.2 a URL beyond 8 KiB is 413',
    ask: 'POST /tasks/create/url',
    form: { url: `http://a/${'a'.repeat(9000)}` },
    status: 413,
    json: { message: SENTENCE },
  },
  {
    says: '§3.3 create/submit takes several files in parts named file and files',
    ask: 'POST /tasks/create/submit',
    files: [
      ['files', 'one.sh', 'one'],
      ['files', 'two.sh', 'two'],
      ['file', 'three.sh', 'three'],
    ],
    status: 200,
    json: { submit_id: ID, task_ids: [ID, ID, ID], errors: [] },
  },
  {
    says: '§3.3 strings: URLs, and domains that get a scheme',
    ask: 'POST /tasks/create/submit',
    form: { strings: 'http://google.com\n\ncuckoosandbox.org\nhttps://1.2.3.4:9001/wow' },
    status: 200,
    json: { submit_id: ID, task_ids: [ID, ID, ID], errors: [] },
    then: [
      { ask: 'GET /tasks/list?status=pending', status: 200, text: /"target":"http:\/\/cuckoosandbox\.org"/ },
    ],
  },
  {
    says: '§3.3 a string that is neither is an error of its own',
    ask: 'POST /tasks/create/submit',
    form: { strings: 'not a thing\nhttp://example.test/' },
    status: 200,
    json: { submit_id: ID, task_ids: [ID], errors: ["'not a thing' was neither a valid hash or url"] },
  },
  {
    says: '§3.3 a hash is an error while there is no downloader',
    ask: 'POST /tasks/create/submit',
    form: { strings: 'd41d8cd98f00b204e9800998ecf8427e' },
    status: 200,
    json: { submit_id: ID, task_ids: [], errors: [expect.stringMatching(/^Error retrieving file hash: /)] },
  },
  {
    says: '§3.3 neither files nor strings is 500 with its sentence',
    ask: 'POST /tasks/create/submit',
    form: { timeout: '5' },
    status: 500,
    json: { message: 'No files or strings have been given!' },
  },
  {
    says: '§3.3 files win over strings',
    ask: 'POST /tasks/create/submit',
    files: [['file', 'one.sh', 'one']],
    form: { strings: 'http://example.test/' },
    status: 200,
    json: { submit_id: ID, task_ids: [ID], errors: [] },
    then: [{ ask: 'GET /cuckoo/status', status: 200 }],
  },
];
