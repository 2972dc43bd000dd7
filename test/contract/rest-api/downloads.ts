import { SENTENCE, type Row } from './row.js';

const BYTES = { status: 200, type: 'application/octet-stream; charset=UTF-8' } as const;
const MEMORY_MISSING = { status: 404, json: { message: 'Memory dump not found' } } as const;
const FILE_MISSING = { status: 404, json: { message: 'File not found' } } as const;

/** rest-api.md §3.11, §3.15, §3.16, §3.19, §3.22. */
export const DOWNLOADS: readonly Row[] = [
  {
    says: '§3.11 all screenshots as a zip',
    given: 'reported',
    ask: 'GET /tasks/screenshots/{id}',
    status: 200,
    type: 'application/zip',
    members: ['0001.jpg', '0002.jpg'],
  },
  {
    says: '§3.11 one screenshot',
    given: 'reported',
    ask: 'GET /tasks/screenshots/{id}/0001',
    status: 200,
    type: 'image/jpeg',
    text: /one$/,
  },
  {
    says: '§3.11 a screenshot that is not there',
    given: 'reported',
    ask: 'GET /tasks/screenshots/{id}/0009',
    status: 404,
    json: { message: 'Screenshot not found!' },
  },
  {
    says: '§3.11 a screenshot outside of the folder',
    given: 'reported',
    ask: 'GET /tasks/screenshots/{id}/..%2f..%2fanalysis',
    status: 404,
    json: { message: 'Screenshot not found!' },
  },
  {
    says: '§3.11 screenshots of an unknown id',
    ask: 'GET /tasks/screenshots/999999',
    status: 404,
    json: { message: 'Task not found' },
  },

  { says: '§3.15 an unknown sample', ask: `GET /files/get/${'0'.repeat(64)}`, ...FILE_MISSING },
  { says: '§3.15 what is no hash', ask: 'GET /files/get/..%2f..%2fmalkoha.db', ...FILE_MISSING },
  {
    says: '§3.15 the bytes of a sample',
    given: 'pending',
    ask: 'GET /tasks/view/{id}',
    status: 200,
    then: [{ ask: 'GET /files/get/{sha256}', ...BYTES, text: /^#!\/bin\/sh\necho pending$/ }],
  },
  { says: '§3.16 the capture', given: 'reported', ask: 'GET /pcap/get/{id}', ...BYTES, text: 'capture' },
  { says: '§3.16 no capture', given: 'bare', ask: 'GET /pcap/get/{id}', ...FILE_MISSING },

  {
    says: '§3.19 memory dumps without .dmp',
    given: 'reported',
    ask: 'GET /memory/list/{id}',
    status: 200,
    json: { dump_files: ['1908-1'] },
  },
  {
    says: '§3.19 a memory dump',
    given: 'reported',
    ask: 'GET /memory/get/{id}/1908-1',
    ...BYTES,
    text: 'memory of a process',
  },
  { says: '§3.19 no memory dumps', given: 'bare', ask: 'GET /memory/list/{id}', ...MEMORY_MISSING },
  { says: '§3.19 no such memory dump', given: 'reported', ask: 'GET /memory/get/{id}/1', ...MEMORY_MISSING },
  {
    says: '§3.22 the memory of the machine',
    given: 'reported',
    ask: 'GET /full_memory/{id}/',
    status: 200,
    text: 'memory of the machine',
  },

  {
    says: 'ours: a range of a large download',
    given: 'reported',
    ask: 'GET /pcap/get/{id}',
    headers: { range: 'bytes=1-3' },
    status: 206,
    text: /^apt$/,
    header: { 'content-range': 'bytes 1-3/7' },
  },
  {
    says: 'ours: a range beyond the end',
    given: 'reported',
    ask: 'GET /pcap/get/{id}',
    headers: { range: 'bytes=100-' },
    status: 416,
    header: { 'content-range': 'bytes */7' },
  },
  {
    says: 'ours: a report waited for that is there',
    given: 'reported',
    ask: 'GET /tasks/report/{id}?wait=5',
    status: 200,
  },
  {
    says: 'ours: a wait of no number',
    given: 'reported',
    ask: 'GET /tasks/report/{id}?wait=long',
    status: 400,
    json: { message: SENTENCE },
  },
  {
    says: 'ours: a dotted path into the report',
    given: 'reported',
    ask: 'GET /tasks/report/{id}?elements=info.machine',
    status: 200,
    json: { name: 'linux1' },
  },
  {
    says: '§1.3 a download is named',
    given: 'reported',
    ask: 'GET /pcap/get/{id}',
    status: 200,
    header: { 'content-disposition': /filename="?dump\.pcap/ },
  },
];
