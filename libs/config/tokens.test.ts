import { createHash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { readText } from '../../test/support/conf.js';
import { cuckooSettings } from './cuckoo-settings.js';

const SECRET = '0123456789abcdef';
const HASH = createHash('sha256').update(SECRET).digest('hex');

const tokens = (...lines: string[]) =>
  readText(cuckooSettings, ['[tokens]', ...lines].join('\n'), 'cuckoo.conf').settings.tokens;

function refusal(...lines: string[]): string {
  try {
    tokens(...lines);
  } catch (error) {
    return (error as Error).message;
  }
  return 'accepted';
}

test('a token has scopes, and is written as it is or as its SHA-256', () => {
  expect(tokens(`Siem = read, download ${SECRET}`, 'mail-gw.1 = submit  sha256:' + 'AB'.repeat(32))).toEqual([
    { name: 'siem', scopes: ['read', 'download'], sha256: HASH },
    { name: 'mail-gw.1', scopes: ['submit'], sha256: 'ab'.repeat(32) },
  ]);
});

test('the token of [cuckoo] comes first and may do everything, however short', () => {
  const { settings, warnings } = readText(
    cuckooSettings,
    `[cuckoo]\napi_token = s3\n[tokens]\nx = read ${SECRET}\n`,
  );
  expect(settings.tokens.map(({ name, scopes }) => [name, scopes])).toEqual([
    ['api_token', ['admin']],
    ['x', ['read']],
  ]);
  expect(warnings).toEqual([]);
});

test.each([
  [`x = ${SECRET}`],
  [`x = raed ${SECRET}`],
  [`x = read download ${SECRET}`],
  [`x = ${SECRET} read`],
  ['x = read tooshort'],
  ['x = read sha256:0123'],
  ['x = read'],
  ['x ='],
  [`x = read ${SECRET}é`],
])('refuses %j, names what is accepted, and does not repeat what may be a secret', (line) => {
  const message = refusal('ok = admin sha256:' + '0'.repeat(64), line);
  expect(message).toMatch(/^cuckoo\.conf:3: \[tokens\] x: expected scopes \(read, submit, download, admin\)/);
  expect(message).not.toContain('0123');
});

test('names are words, and no two tokens are the same', () => {
  expect(refusal(`two words = read ${SECRET}`)).toContain('[tokens] two words: a name has letters');
  expect(refusal(`api_token = read ${SECRET}`)).toContain('is not api_token');
  expect(refusal(`a = read ${SECRET}`, `b = admin sha256:${HASH}`)).toBe(
    'cuckoo.conf:3: [tokens] b: it is the same token as "a"; each needs one of its own',
  );
});
