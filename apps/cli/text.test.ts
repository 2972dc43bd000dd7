import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { visible } from './text.js';

test('what would move the cursor or turn the writing direction is shown instead of done', () => {
  expect(visible('a\u001b]0;title\u0007b\r\n\u202egpj.exe')).toBe(
    'a\\u001b]0;title\\u0007b\\u000d\\u000a\\u202egpj.exe',
  );
});

test('colours of the guest are shown, not done: concealed text would hide what follows', () => {
  expect(visible('\u001b[8mhidden')).toBe('\\u001b[8mhidden');
});

test('no text leaves a control character', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      // eslint-disable-next-line no-control-regex -- looking for them is the test
      expect(visible(text)).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    }),
  );
});
