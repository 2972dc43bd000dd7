import { duplexPair } from './duplex-pair.fake.js';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Qmp, QmpClosed } from './qmp.js';

const patience = () => AbortSignal.timeout(5_000);
const GREETING = {
  QMP: { version: { qemu: { major: 7, minor: 2, micro: 22 }, package: '' }, capabilities: ['oob'] },
};

/** A QEMU that answers what `answers` says, by command. */
async function connect(answers: Record<string, (id: number) => readonly object[]> = {}) {
  const [ours, theirs] = duplexPair();
  const asked: string[] = [];
  theirs.on('data', (chunk: Buffer) => {
    for (const line of chunk.toString().trim().split('\n')) {
      const { execute, id } = JSON.parse(line) as { execute: string; id: number };
      asked.push(execute);
      const replies = execute === 'qmp_capabilities' ? [{ return: {}, id }] : (answers[execute]?.(id) ?? []);
      for (const reply of replies) theirs.write(`${JSON.stringify(reply)}\r\n`);
    }
  });
  theirs.write(`${JSON.stringify(GREETING)}\r\n`);
  return { qmp: await Qmp.open(ours, patience()), theirs, asked };
}

test('capabilities are negotiated before anything else is asked', async () => {
  const { qmp, asked } = await connect({ 'query-status': (id) => [{ return: { status: 'running' }, id }] });
  expect(await qmp.execute('query-status', {}, patience())).toEqual({ status: 'running' });
  expect(asked).toEqual(['qmp_capabilities', 'query-status']);
});

test('answers find their question in any order, with events in between', async () => {
  const waiting: number[] = [];
  const { qmp, theirs } = await connect({
    a: (id) => (waiting.push(id), []),
    b: (id) => [
      { event: 'STOP', data: {} },
      { return: 'b', id },
      { return: 'a', id: waiting[0] },
    ],
  });
  const stopped = qmp.once('STOP', () => true, patience());
  const a = qmp.execute('a', {}, patience());
  expect(await qmp.execute('b', {}, patience())).toBe('b');
  expect(await a).toBe('a');
  expect((await stopped).event).toBe('STOP');
  theirs.destroy();
});

test('a refusal names the command and keeps the class', async () => {
  const { qmp } = await connect({ cont: (id) => [{ error: { class: 'GenericError', desc: 'no' }, id }] });
  await expect(qmp.execute('cont', {}, patience())).rejects.toMatchObject({
    name: 'QmpError',
    command: 'cont',
    errorClass: 'GenericError',
    message: 'cont: no',
  });
});

test('giving up on one command leaves the others alone, and its late answer is ignored', async () => {
  let late = 0;
  const { qmp, theirs } = await connect({
    slow: (id) => ((late = id), []),
    fast: (id) => [
      { return: 'too late', id: late },
      { return: 'fast', id },
    ],
  });
  const cancel = new AbortController();
  const slow = qmp.execute('slow', {}, cancel.signal);
  cancel.abort(new Error('gave up'));
  await expect(slow).rejects.toThrow('gave up');
  expect(await qmp.execute('fast', {}, patience())).toBe('fast');
  theirs.destroy();
});

test('when QEMU goes away, everything that waits is told, and nothing new is accepted', async () => {
  const { qmp, theirs } = await connect();
  const pending = qmp.execute('stop', {}, patience());
  const event = qmp.once('STOP', () => true, patience());
  theirs.destroy();
  await expect(pending).rejects.toThrow(QmpClosed);
  await expect(event).rejects.toThrow(QmpClosed);
  await expect(qmp.execute('cont', {}, patience())).rejects.toThrow(QmpClosed);
});

test.each([
  ['no JSON', 'hello\n'],
  ['no message', '{"surprise":1}\n'],
  ['an answer to nothing', '{"return":{},"id":99}\n'],
  ['a line without end', 'x'.repeat((1 << 20) + 1)],
  ['a line too long', `${JSON.stringify({ event: 'E', data: { x: 'x'.repeat(1 << 20) } })}\n`],
])('%s ends the connection with a protocol violation', async (_what, bytes) => {
  const { qmp, theirs } = await connect();
  const pending = qmp.execute('stop', {}, patience());
  theirs.write(bytes);
  await expect(pending).rejects.toMatchObject({ code: 'PROTOCOL_VIOLATION' });
});

test('chunk borders mean nothing', async () => {
  const event = Buffer.from(`${JSON.stringify({ event: 'TICK', data: { text: 'zwölf' } })}\n`);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(event.length - 1), { maxLength: 12 }), async (cuts) => {
      const { qmp, theirs } = await connect();
      const ticked = qmp.once('TICK', () => true, patience());
      const borders = [0, ...[...new Set(cuts)].sort((a, b) => a - b), event.length];
      borders.slice(1).forEach((end, at) => theirs.write(event.subarray(borders[at], end)));
      expect((await ticked).data['text']).toBe('zwölf');
      qmp[Symbol.dispose]();
    }),
    { numRuns: 40 },
  );
});

test('a server that never greets is given up on', async () => {
  const [ours] = duplexPair();
  await expect(Qmp.open(ours, AbortSignal.timeout(20))).rejects.toMatchObject({ name: 'TimeoutError' });
  expect(ours.destroyed).toBe(true);
});
