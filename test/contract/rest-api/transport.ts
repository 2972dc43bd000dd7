import { SENTENCE, type Row } from './row.js';

const NOT_FOUND = { status: 404, json: { message: 'Not found' }, type: 'application/json' } as const;

/** rest-api.md §1: rules that hold for every endpoint. */
export const TRANSPORT: readonly Row[] = [
  { says: '§1.1 one slash at the end is ignored', ask: 'GET /cuckoo/status/', status: 200 },
  { says: '§1.1 doubled slashes are one, also at the start', ask: 'GET //tasks//list', status: 200 },
  { says: '§1.1 /v1 before a path', ask: 'GET /v1/cuckoo/status', status: 200 },
  {
    says: '§1.1 /v1 where 2.0.7 lacked it: summary',
    given: 'reported',
    ask: 'GET /v1/tasks/summary/{id}',
    status: 200,
  },
  {
    says: '§1.1 /v1 where 2.0.7 lacked it: memory/list',
    given: 'reported',
    ask: 'GET /v1/memory/list/{id}',
    status: 200,
  },
  { says: '§1.1 /v1 where 2.0.7 lacked it: exit', ask: 'GET /v1/exit', status: 403 },
  {
    says: '§1.1 the PHP client posts to a path with a slash',
    ask: 'POST /tasks/create/file/',
    files: [['file', 'a.txt', 'a']],
    status: 200,
  },
  {
    says: '§1.1 a wrong method is 405',
    ask: 'POST /tasks/view/1',
    status: 405,
    header: { allow: /GET/ },
    json: { message: 'Method not allowed' },
  },
  { says: '§1.1 reading with DELETE is 405', ask: 'DELETE /tasks/list', status: 405 },
  {
    says: '§1.1 getting a submission path is 405',
    ask: 'GET /tasks/create/file',
    status: 405,
    header: { allow: /POST/ },
  },
  { says: '§1.1 a negative id does not match the route', ask: 'GET /tasks/view/-1', ...NOT_FOUND },
  { says: '§1.1 an id that is no number does not match the route', ask: 'GET /tasks/view/one', ...NOT_FOUND },
  { says: '§1.1 a hexadecimal id does not match the route', ask: 'GET /tasks/view/0x1', ...NOT_FOUND },
  {
    says: '§1.1 an id larger than any is no task',
    ask: 'GET /tasks/view/99999999999999999999',
    status: 404,
    json: { message: 'Task not found' },
  },
  { says: '§1.1 [N] is N for tasks/view', given: 'pending', ask: 'GET /tasks/view/[{id}]', status: 200 },
  { says: '§1.1 [N] is N for tasks/report', given: 'reported', ask: 'GET /tasks/report/[{id}]', status: 200 },
  { says: '§1.1 [N, M] is nothing', ask: 'GET /tasks/view/[1,2]', ...NOT_FOUND },
  { says: '§1.1 an unknown route is JSON', ask: 'GET /no/such/route', ...NOT_FOUND },
  { says: '§1.1 HEAD answers like GET', ask: 'HEAD /cuckoo/status', status: 200, type: 'application/json' },
  { says: '§1.1 HEAD of what is absent', ask: 'HEAD /tasks/view/999999', status: 404 },

  {
    says: '§1.2 without a token Basic is ignored',
    ask: 'GET /cuckoo/status',
    headers: { authorization: 'Basic dXNlcjpwYXNz' },
    status: 200,
  },
  {
    says: '§1.2 without a token an empty Bearer is ignored',
    ask: 'GET /cuckoo/status',
    headers: { authorization: 'Bearer ' },
    status: 200,
  },

  {
    says: '§1.4 JSON is application/json without a charset',
    ask: 'GET /tasks/list/1',
    status: 200,
    type: 'application/json',
  },
  {
    says: '§1.4 an error is {message} and nothing else',
    ask: 'GET /tasks/view/999999',
    status: 404,
    json: { message: 'Task not found' },
    type: 'application/json',
  },
  {
    says: '§1.4 a submission is 200, never 201',
    ask: 'POST /tasks/create/url',
    form: { url: 'http://example.test/' },
    status: 200,
  },

  {
    says: '§1.5 a body that is no form is refused',
    ask: 'POST /tasks/create/url',
    headers: { 'content-type': 'application/json' },
    raw: '{"url":"http://example.test/"}',
    status: 415,
    json: { message: SENTENCE },
  },
  {
    says: '§1.5 a part with an empty file name is a field',
    ask: 'POST /tasks/create/url',
    raw: '--XX\nContent-Disposition: form-data; name="url"; filename=""\n\nhttp://example.test/field\n--XX--\n',
    status: 200,
    then: [
      {
        ask: 'GET /tasks/view/{task_id}',
        status: 200,
        has: { task: { target: 'http://example.test/field' } },
      },
    ],
  },
  {
    says: '§1.5 a part named file is a file, also with an empty name: it is called by its SHA-256',
    ask: 'POST /tasks/create/file',
    raw: '--XX\nContent-Disposition: form-data; name="file"; filename=""\n\nabc\n--XX--\n',
    status: 200,
    then: [
      {
        ask: 'GET /tasks/view/{task_id}',
        status: 200,
        text: /ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","package/,
      },
    ],
  },
  {
    says: '§1.5 a part named file without any file name is a file',
    ask: 'POST /tasks/create/file',
    raw: '--XX\nContent-Disposition: form-data; name="file"\n\nabc\n--XX--\n',
    status: 200,
  },
  {
    says: '§1.5 a content type on a field is allowed',
    ask: 'POST /tasks/create/url',
    raw: '--XX\nContent-Disposition: form-data; name="url"\nContent-Type: plain/text\n\nhttp://example.test/\n--XX--\n',
    status: 200,
  },
  {
    says: '§1.5 a semicolon at the end of the disposition, and a whole path as name',
    ask: 'POST /tasks/create/file',
    raw: '--XX\nContent-Disposition: form-data; name="file"; filename="C:\\x\\mac.exe";\n\nabc\n--XX--\n',
    status: 200,
    then: [{ ask: 'GET /tasks/view/{task_id}', status: 200, text: /\/mac\.exe"/ }],
  },
  {
    says: '§1.5 the path of the other system',
    ask: 'POST /tasks/create/file',
    raw: '--XX\nContent-Disposition: form-data; name="file"; filename="/Users/x/unix.exe"\n\nabc\n--XX--\n',
    status: 200,
    then: [{ ask: 'GET /tasks/view/{task_id}', status: 200, text: /\/unix\.exe"/ }],
  },
  {
    says: '§1.5 a percent-encoded name',
    ask: 'POST /tasks/create/file',
    raw: '--XX\nContent-Disposition: form-data; name="file"; filename="two%20words.exe"\n\nabc\n--XX--\n',
    status: 200,
    then: [{ ask: 'GET /tasks/view/{task_id}', status: 200, text: /\/two words\.exe"/ }],
  },
  {
    says: "§1.5 a name as filename*=UTF-8''",
    ask: 'POST /tasks/create/file',
    raw: '--XX\nContent-Disposition: form-data; name="file"; filename*=UTF-8\'\'na%C3%AFve.exe\n\nabc\n--XX--\n',
    status: 200,
    then: [{ ask: 'GET /tasks/view/{task_id}', status: 200, text: /\/na\u00c3\u00afve\.exe"/ }],
  },
  {
    says: '§1.5 an unknown file part is ignored',
    ask: 'POST /tasks/create/file',
    files: [
      ['filename', 'other.bin', 'other'],
      ['file', 'right.bin', 'right'],
    ],
    status: 200,
    then: [{ ask: 'GET /tasks/view/{task_id}', status: 200, text: /right\.bin/ }],
  },
  {
    says: '§1.5 empty fields and the text None are not given',
    ask: 'POST /tasks/create/file',
    files: [['file', 'a.bin', 'a']],
    form: { package: '', machine: 'None', tags: '', timeout: '', priority: 'None' },
    status: 200,
    then: [
      {
        ask: 'GET /tasks/view/{task_id}',
        status: 200,
        has: { task: { package: null, machine: null, tags: [], timeout: 0, priority: 1 } },
      },
    ],
  },
  {
    says: '§1.5 a missing file is 400',
    ask: 'POST /tasks/create/file',
    form: { package: 'exe' },
    status: 400,
    json: { message: SENTENCE },
  },
  {
    says: '§1.5 a missing URL is 400',
    ask: 'POST /tasks/create/url',
    form: { package: 'exe' },
    status: 400,
    json: { message: SENTENCE },
  },
  {
    says: '§1.5 the empty file is taken',
    ask: 'POST /tasks/create/file',
    files: [['file', 'empty', '']],
    status: 200,
  },

  ...['true', 'True', 'yes', '1', 'on', 'TRUE', '7'].map((text) => boolean(text, true)),
  ...['false', 'False', 'None', 'no', '0', 'off', ''].map((text) => boolean(text, false)),
  {
    says: '§1.6 another word is no boolean',
    ask: 'POST /tasks/create/url',
    form: { url: 'x', memory: 'perhaps' },
    status: 400,
    json: { message: SENTENCE },
  },
  {
    says: '§1.6 a time-out is a whole number',
    ask: 'POST /tasks/create/url',
    form: { url: 'x', timeout: 'long' },
    status: 400,
  },
  {
    says: '§1.6 a larger priority than the documented ones is taken',
    ask: 'POST /tasks/create/url',
    form: { url: 'x', priority: '999' },
    status: 200,
    then: [{ ask: 'GET /tasks/view/{task_id}', status: 200, has: { task: { priority: 999 } } }],
  },
  {
    says: '§1.6 the clock is given as %m-%d-%Y %H:%M:%S and shown in the plain format',
    ask: 'POST /tasks/create/url',
    form: { url: 'x', clock: '12-19-2012 14:18:25' },
    status: 200,
    then: [
      { ask: 'GET /tasks/view/{task_id}', status: 200, has: { task: { clock: '2012-12-19 14:18:25' } } },
    ],
  },
  {
    says: '§1.6 a clock that is none is "now", and still 200',
    ask: 'POST /tasks/create/url',
    form: { url: 'x', clock: 'noon' },
    status: 200,
  },
  {
    says: '§1.6 options: items without = are dropped, keys and values trimmed, sorted by key',
    ask: 'POST /tasks/create/url',
    form: { url: 'x', options: ' b = 2 ,nonsense, a=1' },
    status: 200,
    then: [{ ask: 'GET /tasks/view/{task_id}', status: 200, has: { task: { options: 'a=1,b=2' } } }],
  },
  {
    says: '§1.6 tags: comma separated, trimmed, empty ones dropped',
    ask: 'POST /tasks/create/url',
    form: { url: 'x', tags: ' 32bit, acrobat_6 ,,' },
    status: 200,
    then: [
      { ask: 'GET /tasks/view/{task_id}', status: 200, has: { task: { tags: ['32bit', 'acrobat_6'] } } },
    ],
  },
  {
    says: '§1.6 a hash in a path may be in upper case',
    ask: 'POST /tasks/create/file',
    files: [['file', 'abc.txt', 'abc']],
    status: 200,
    then: [
      {
        ask: 'GET /files/view/sha256/BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD',
        status: 200,
        has: { sample: { sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad' } },
      },
    ],
  },
];

function boolean(text: string, value: boolean): Row {
  return {
    says: `§1.6 ${JSON.stringify(text)} is ${value}`,
    ask: 'POST /tasks/create/url',
    form: { url: 'http://example.test/', memory: text, enforce_timeout: text },
    status: 200,
    then: [
      {
        ask: 'GET /tasks/view/{task_id}',
        status: 200,
        has: { task: { memory: value, enforce_timeout: value } },
      },
    ],
  };
}
