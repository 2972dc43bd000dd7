import { expect, test } from '@jest/globals';
import type { Answer } from './ask.js';
import { judge } from './rest-api.js';

const CUCKOO: Parameters<typeof judge>[1]['node'] = {
  name: 'n1',
  url: 'http://10.0.0.5:8090/',
  token: null,
  dialect: 'cuckoo',
};
const CAPE = { ...CUCKOO, url: 'http://10.0.0.5:8000/apiv2/', dialect: 'cape' };
const STATUS = { machines: { total: 1, available: 1 }, tasks: { total: 0 } };

function judged(answer: Partial<Answer>, node = CUCKOO): ReturnType<typeof judge> {
  const url = new URL(node.dialect === 'cape' ? 'cuckoo/status/' : 'cuckoo/status', node.url);
  return judge({ status: 200, headers: {}, body: '', ms: 1, ...answer }, { node, url });
}

test('a status of its dialect is what should come', () => {
  expect(judged({ body: JSON.stringify(STATUS) })).toMatchObject({ status: 'ok' });
  expect(judged({ body: JSON.stringify({ error: false, data: STATUS }) }, CAPE).status).toBe('ok');
});

test.each<[string, Partial<Answer>, string, string]>([
  ['a page', { body: '<!DOCTYPE html><title>Cuckoo</title>' }, 'a page', 'correct the URL'],
  ['a page of its own', { status: 404, body: '<h1>Not Found</h1>' }, 'no /cuckoo/status: 404', 'apiv2'],
  ['another service', { body: '{"nodes": {}}' }, 'nothing of machines and tasks', 'correct the URL'],
  [
    'no JSON',
    { body: 'hello' },
    'nothing of machines and tasks: "hello"',
    'curl http://10.0.0.5:8090/cuckoo/status',
  ],
  ['nothing', {}, 'nothing of machines and tasks: nothing', 'correct the URL'],
  [
    'a failure',
    { status: 500, body: '{"message": "no such table"}' },
    '500, "no such table"',
    'log of the REST API',
  ],
  ['too many', { status: 429, body: '{}' }, 'too busy', 'rate_limit'],
  [
    'CAPE',
    { body: JSON.stringify({ data: STATUS }) },
    'set up as cuckoo, and answers as cape',
    'malkoha node refresh n1',
  ],
  [
    'the way to it',
    { status: 301, headers: { location: 'https://lab.example/cuckoo/status' } },
    'sends us to "https://lab.example/cuckoo/status"',
    '/api/node/n1 -F url=https://lab.example/',
  ],
  [
    'a login',
    { status: 302, headers: { location: '/login?next=/' } },
    'sends us to "http://10.0.0.5:8090/login',
    'correct the URL',
  ],
  ['nowhere', { status: 302 }, 'does not say where', 'correct the URL'],
])('%s instead is told, with what to do', (_what, answer, found, fix) => {
  expect(judged(answer)).toEqual({
    status: 'fail',
    found: expect.stringContaining(found),
    fix: expect.stringContaining(fix),
  });
});

test('CAPE with its status switched off says so in a success', () => {
  const body = JSON.stringify({ error: true, error_value: 'Cuckoo Status API is disabled' });
  expect(judged({ body }, CAPE)).toMatchObject({
    status: 'fail',
    found: expect.stringContaining('disabled'),
    fix: expect.stringContaining('[cuckoostatus], [machinelist]'),
  });
});

test('what is set up as CAPE and is none', () => {
  expect(judged({ body: JSON.stringify(STATUS) }, CAPE).found).toContain('as malkoha or cuckoo does');
});

test('nothing of an answer commands a terminal', () => {
  expect(judged({ body: '\u001b[2J' }).found).not.toContain('\u001b');
});

test.each<Partial<Answer>>([
  { status: 500, body: '{"message": "Bearer s3cret/token is not known"}' },
  { status: 404, body: '<html>Authorization: s3cret/token</html>' },
  { body: 'Bearer s3cret/token' },
  { body: '{"error": true, "error_value": "s3cret/token"}' },
  { status: 302, headers: { location: 'http://elsewhere/?next=s3cret%2Ftoken' } },
])('a node that repeats its token does not make us tell it: %j', (answer) => {
  const { found } = judged(answer, { ...CUCKOO, token: 's3cret/token' });
  expect(found).toContain('[token]');
  expect(found).not.toContain('s3cret');
});
