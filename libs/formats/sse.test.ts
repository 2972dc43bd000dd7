import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { messages, type Message } from './sse.js';

async function read(...chunks: string[]): Promise<readonly Message[]> {
  async function* stream() {
    yield* chunks;
  }
  const all: Message[] = [];
  for await (const message of messages(stream())) all.push(message);
  return all;
}

const STREAM = 'id: 7-0\nevent: status\ndata: {"a":1}\n\n: still here\n\nretry: 5\n\ndata:x\ndata: y\r\n\r\n';
const MESSAGES = [
  { id: '7-0', data: '{"a":1}' },
  { id: '7-0', data: 'x\ny' },
];

test('messages have their data and the last id; comments are none', async () => {
  expect(await read(STREAM)).toEqual(MESSAGES);
});

test('an id without data is told: it is the place to go on from', async () => {
  expect(await read('retry: 3000\nid: 5-1\n\n', ': still here\n\n')).toEqual([{ id: '5-1', data: null }]);
});

test('a message that the stream cut is not one', async () => {
  expect(await read('data: whole\n\ndata: half\n')).toEqual([{ id: null, data: 'whole' }]);
});

test('where chunks end means nothing', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(STREAM.length)), async (cuts) => {
      const at = [0, ...cuts.toSorted((a, b) => a - b), STREAM.length];
      const chunks = at.slice(1).map((end, index) => STREAM.slice(at[index], end));
      expect(await read(...chunks)).toEqual(MESSAGES);
    }),
  );
});

test('a line and a message have an end', async () => {
  const mebibyte = 'x'.repeat(1024 * 1024);
  await expect(read('data: ', mebibyte)).rejects.toMatchObject({ code: 'PROTOCOL_VIOLATION' });
  await expect(read(`data: ${mebibyte}\ndata: x\n`)).rejects.toMatchObject({ code: 'PROTOCOL_VIOLATION' });
  expect(await read(`data: ${'x'.repeat(1000)}\n\n`.repeat(2000))).toHaveLength(2000);
});
