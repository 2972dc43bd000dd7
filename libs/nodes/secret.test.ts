import { expect, test } from '@jest/globals';
import { statusError } from './answer.js';
import { hiding } from './secret.js';

const TOKEN = 's3cret/"token"';

test('a token is hidden wherever it is, as it is or as JSON and addresses have it', () => {
  const hide = hiding(TOKEN);
  expect(hide(`a ${TOKEN}${TOKEN} b`)).toBe('a [token][token] b');
  expect(hide(JSON.stringify({ TOKEN }))).toBe('{"TOKEN":"[token]"}');
  expect(hide(`http://a/?t=${encodeURIComponent(TOKEN)}`)).toBe('http://a/?t=[token]');
  expect(hide('s3cret')).toBe('s3cret');
});

test('without a token nothing is', () => {
  for (const none of [null, '']) expect(hiding(none)('a b')).toBe('a b');
});

test('a redirect that carries it does not tell it', () => {
  const headers = { location: `http://elsewhere/?next=${encodeURIComponent(TOKEN)}` };
  const { message } = statusError('GET x', {
    status: 302,
    body: undefined,
    text: '',
    headers,
    hide: hiding(TOKEN),
  });
  expect(message).toContain('"http://elsewhere/?next=[token]"');
});
