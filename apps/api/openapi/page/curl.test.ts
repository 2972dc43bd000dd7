import { execFileSync } from 'node:child_process';
import { expect, test } from '@jest/globals';
import type { ApiOperation } from '../document-shape.js';
import { curlLine } from './curl.js';

const OPERATION: ApiOperation = {
  operationId: 'x',
  tags: ['Tasks'],
  summary: 'x',
  security: [{ token: ['read'] }],
  parameters: [{ name: 'id', in: 'path', schema: { examples: ["it's /7"] } }],
  requestBody: {
    content: {
      'multipart/form-data': {
        schema: { required: ['text'], properties: { text: { examples: ["$(id)\n`id` 'a' \\"] }, other: {} } },
      },
    },
  },
  responses: { 200: { description: 'OK', content: { 'application/zip': {} } } },
};

/** The words that a shell makes of a line. */
function words(line: string): readonly string[] {
  const env = { MALKOHA_TOKEN: 'secret' };
  return execFileSync('/bin/sh', ['-c', `set -- ${line}; printf '%s\\0' "$@"`], { env, encoding: 'utf8' })
    .split('\0')
    .slice(0, -1);
}

test('a shell takes every value for what it is, whatever stands in it', () => {
  const base = "http://$(touch x);'`id`";
  const placed = { method: 'post', path: '/tasks/{id}', operation: OPERATION };
  expect(words(curlLine(placed, { base, needsToken: true }))).toEqual([
    'curl',
    '-H',
    'Authorization: Bearer secret',
    '-O',
    '-F',
    "text=$(id)\n`id` 'a' \\",
    `${base}/tasks/it's%20%2F7`,
  ]);
});
