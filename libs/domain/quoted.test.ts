import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { quoted } from './quoted.js';

test('what a terminal would obey is escaped', () => {
  expect(quoted('\x1b[2J\u202e\x9b')).toBe('"\\u001b[2J\\u202e\\u009b"');
  expect(quoted(Buffer.from('files/a\n'))).toBe('"files/a\\n"');
});

test('any text becomes short printable ASCII', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 500 }), (text) => {
      expect(quoted(text)).toMatch(/^"[\x20-\x7e]{0,720}"$/);
    }),
  );
});
