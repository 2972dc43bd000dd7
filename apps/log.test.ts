import { expect, test } from '@jest/globals';
import { createLog, type LogOptions } from './log.js';

function written(options: LogOptions, use: (log: ReturnType<typeof createLog>) => void) {
  const lines: string[] = [];
  use(createLog('worker', { least: 'debug', ...options, write: (line) => lines.push(line) }));
  return lines;
}

const parsed = (lines: readonly string[]) => lines.map((line) => JSON.parse(line) as Record<string, unknown>);

test('a line has the fixed fields, first those that every line has, then those of its process', () => {
  const [line = {}] = parsed(
    written({ fields: { worker: 'w1', host: 'lab' } }, (log) =>
      log('warn', 'it hangs', { task: 7, machine: 'linux1', stage: 'start', code: 'GUEST_LOST', ms: 1.5 }),
    ),
  );
  expect(Object.keys(line)).toEqual([
    ...['time', 'level', 'app', 'message', 'worker', 'host'],
    ...['task', 'machine', 'stage', 'code', 'ms'],
  ]);
  expect(line).toMatchObject({ level: 'warn', app: 'worker', message: 'it hangs', worker: 'w1', ms: 1.5 });
});

test('lines below the least level are left out', () => {
  const lines = written({ least: 'warn' }, (log) => {
    for (const level of ['debug', 'info', 'warn', 'error'] as const) log(level, level);
  });
  expect(parsed(lines).map(({ level }) => level)).toEqual(['warn', 'error']);
});

test.each([
  ['error', 1],
  ['WARN', 2],
  ['', 4],
  ['nonsense', 4],
])('$MALKOHA_LOG=%s leaves %d of the four levels', (value, count) => {
  const before = process.env['MALKOHA_LOG'];
  process.env['MALKOHA_LOG'] = value;
  try {
    const lines: string[] = [];
    const log = createLog('api', { write: (line) => lines.push(line) });
    for (const level of ['debug', 'info', 'warn', 'error'] as const) log(level, level);
    expect(lines).toHaveLength(count);
  } finally {
    if (before === undefined) delete process.env['MALKOHA_LOG'];
    else process.env['MALKOHA_LOG'] = before;
  }
});

test('no text begins a line of its own, or moves a cursor', () => {
  const hostile = 'a\n{"level":"error"}\u001b[2J\u009b\u202e';
  const lines = written({}, (log) => log('info', hostile, { extra: hostile }));
  expect(lines).toHaveLength(1);
  expect(lines[0]?.trimEnd()).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  expect(parsed(lines)[0]).toMatchObject({ message: hostile, extra: hostile });
});
