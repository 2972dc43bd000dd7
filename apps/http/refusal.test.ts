import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CUCKOO } from './presentation.js';
import { refusalBody, type Asked, type Refusal } from './refusal.js';

const PROBLEM = 'application/problem+json';
const refusal = { status: 507, message: 'Only 1 MB is free', code: 'NO_DISK_SPACE' } as const;
const bodyOf = (refused: Refusal, asked: Asked) => refusalBody(refused, asked, CUCKOO);
const parsed = (refused: Refusal, asked: Asked): unknown => JSON.parse(String(bodyOf(refused, asked).body));

test.each([
  undefined,
  '',
  '*/*',
  'application/json',
  'text/html, */*;q=0.8',
  `${PROBLEM};q=0`,
  `${PROBLEM}; q=0.0`,
])('who accepts %j gets {message} and nothing else', (accept) => {
  const { type, body } = bodyOf(refusal, { accept, url: '/x' });
  expect([type, String(body)]).toEqual(['application/json', '{"message":"Only 1 MB is free"}']);
});

test.each([PROBLEM, `application/json, ${PROBLEM}`, `Application/Problem+JSON ; q=0.5`, `${PROBLEM};q=0.01`])(
  'who accepts %j gets a problem',
  (accept) => {
    expect(bodyOf(refusal, { accept }).type).toBe(PROBLEM);
  },
);

test('a problem has a type that the docs have, and what a status alone tells is about:blank', () => {
  expect(parsed(refusal, { accept: PROBLEM, url: '/v1/tasks/create/file?x=1' })).toEqual({
    type: 'urn:malkoha:errors#no_disk_space',
    title: 'No disk space',
    status: 507,
    detail: 'Only 1 MB is free',
    instance: '/v1/tasks/create/file',
    message: 'Only 1 MB is free',
    code: 'NO_DISK_SPACE',
  });
  expect(parsed({ status: 404, message: 'Task not found' }, { accept: PROBLEM })).toEqual({
    type: 'about:blank',
    title: 'Not Found',
    status: 404,
    detail: 'Task not found',
    message: 'Task not found',
  });
});

test('whatever the path, the instance is a URI reference without a host', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary-ascii', maxLength: 50 }), (path) => {
      const { instance } = parsed(refusal, { accept: PROBLEM, url: `/${path}` }) as { instance: string };
      expect(instance).toMatch(/^\/(?!\/)(?:[\w!$&'()*+,;=:@/.~-]|%[0-9a-f]{2})*$/i);
    }),
  );
  expect(parsed(refusal, { accept: PROBLEM, url: '//tasks/%zz/é"' })).toMatchObject({
    instance: '/tasks/%25zz/%C3%A9%22',
  });
});
