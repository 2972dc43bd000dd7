import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readKernelLine } from './kernel-trace.js';

const fields = (line: string): unknown => {
  const event = readKernelLine(line);
  return event !== null && 'fields' in event ? Object.fromEntries(event.fields) : event;
};

test('a probe’s line', () => {
  const line =
    '             a b-1234 [001]   123.456789: rename: (do_renameat2+0x0/0x80) olddfd=-100 old="/a" newdfd=-100 new="/b c"';
  expect(readKernelLine(line)).toMatchObject({ pid: 1234, comm: 'a b', time: 123.456789, event: 'rename' });
  expect(fields(line)).toEqual({ olddfd: '-100', old: '/a', newdfd: '-100', new: '/b c' });
});

test('flags of the interrupt state and the thread group may be there or not', () => {
  expect(
    readKernelLine('              sh-7       (      7) [000] d..1.     1.000000: x: (f) a=1'),
  ).toMatchObject({
    pid: 7,
    time: 1,
  });
});

test('unreadable memory is null, quotes inside names stay', () => {
  const prefix = '              sh-7     [000]     1.000000: ';
  expect(fields(`${prefix}open: (f+0x0/0x1) dfd=-100 name="a "b" c" flags=0x8000`)).toEqual({
    dfd: '-100',
    name: 'a "b" c',
    flags: '0x8000',
  });
  expect(fields(`${prefix}exec: (f+0x0/0x1) file="/x" a0=(fault) a1="("`)).toEqual({
    file: '/x',
    a0: null,
    a1: '(',
  });
});

test('the scheduler’s numbers come from the end: names may lie', () => {
  const prefix = '              sh-7     [000]     1.000000: ';
  expect(fields(`${prefix}sched_process_fork: comm=a child_pid=1 pid=7 child_comm=b child_pid=9`)).toEqual({
    child_pid: '9',
  });
  expect(fields(`${prefix}sched_process_exec: filename=/a pid=1 old_pid=1 pid=7 old_pid=8`)).toEqual({
    filename: '/a pid=1 old_pid=1',
    pid: '7',
    old_pid: '8',
  });
});

test('the analyzer says how to read the clock', () => {
  expect(readKernelLine('# clock: + 1795386308.270611 = seconds since 1970')).toEqual({
    clock: 1795386308.270611,
  });
});

test('lost events are counted', () => {
  expect(readKernelLine('CPU:2 [LOST 4711 EVENTS]')).toEqual({ lost: 4711 });
});

test('any line is read without an error, in linear time', () => {
  const prefix = '              sh-7     [000]     1.000000: open: (f) ';
  const text = fc.array(fc.oneof(fc.constantFrom(' a="', '" ', 'b=', '(fault)', ' ', '"'), fc.string()));
  fc.assert(
    fc.property(fc.constantFrom(prefix, '', 'CPU:1 [LOST '), text, (start, parts) => {
      readKernelLine(start + parts.join(''));
    }),
  );
  const started = performance.now();
  for (const piece of ['"', ' a="', ' ', 'a=', '('])
    readKernelLine(prefix + piece.repeat(16_000 / piece.length));
  expect(performance.now() - started).toBeLessThan(1000);
});
