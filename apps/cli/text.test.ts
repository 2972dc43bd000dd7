import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { visible } from './text.js';

test('what would move the cursor or turn the writing direction is shown instead of done', () => {
  expect(visible('a\u001b]0;title\u0007b\r\n\u202egpj.exe')).toBe(
    'a\\u001b]0;title\\u0007b\\u000d\\u000a\\u202egpj.exe',
  );
});

test('our own colours pass', () => {
  expect(visible('\u001b[31mred\u001b[0m')).toBe('\u001b[31mred\u001b[0m');
});

test('no text leaves a control character but a colour', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      // eslint-disable-next-line no-control-regex -- looking for them is the test
      expect(visible(text).replace(/\u001b\[\d{1,2}m/g, '')).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    }),
  );
});
