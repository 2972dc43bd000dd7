import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { expect, test } from '@jest/globals';
import { streamPair } from './stream-pair.js';

test('what one end writes the other reads, and the end of it', async () => {
  const [left, right] = streamPair();
  left.write('to the ');
  left.end('right');
  right.end('to the left');
  expect(await text(right)).toBe('to the right');
  expect(await text(left)).toBe('to the left');
});

test('a writer waits for its reader', async () => {
  const [left, right] = streamPair();
  const chunk = Buffer.alloc(64 * 1024);
  let written = 0;
  for (; written < 100 && left.write(chunk); written += 1);
  expect(written).toBeLessThan(4);
  right.resume();
  await once(left, 'drain');
  left.destroy();
});

test('an end that was destroyed takes the other with it, also one that waits to write', async () => {
  const [left, right] = streamPair();
  while (left.write(Buffer.alloc(64 * 1024)));
  right.destroy();
  await once(left, 'close');
  expect(left.destroyed).toBe(true);
});

test('what was said before the end is read, even when who said it is gone', async () => {
  const [left, right] = streamPair();
  left.end('the last words');
  left.destroy();
  await once(left, 'close');
  expect(await text(right)).toBe('the last words');
});

test('half of a message is not read as a whole one', async () => {
  const [left, right] = streamPair();
  left.write('half of');
  left.destroy();
  await expect(text(right)).rejects.toThrow();
});

test('who writes to an end that is gone is told, and not for ever', async () => {
  const [left, right] = streamPair();
  right.end();
  right.destroy();
  left.write('too late');
  await new Promise((resolve) => left.once('close', resolve));
  expect(left.errored).toMatchObject({ code: 'EPIPE' });
});
