import { execFileSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { aTask } from '../../test/support/task.js';
import { analysisConf, formatConf } from './analysis-conf.js';

/** How the analyzers read it: Python's configparser, without interpolation (spec protocols.md §3.4). */
function parsedByPython(conf: string): Record<string, string> {
  const program = `import configparser, json, sys
parser = configparser.ConfigParser(allow_no_value=True, interpolation=None)
parser.read_string(sys.stdin.buffer.read().decode("utf-8"))
assert parser.sections() == ["analysis"]
json.dump(dict(parser["analysis"]), sys.stdout)`;
  return JSON.parse(execFileSync('python3', ['-c', program], { input: conf, encoding: 'utf8' })) as Record<
    string,
    string
  >;
}

const input = {
  fileName: 'a b.exe',
  resultServer: { ip: '192.168.56.1', port: 2042 },
  timeoutSeconds: 120,
  clock: new Date(2024, 0, 1, 10, 0, 0, 789), // local
};

test('a file, as Cuckoo writes it', () => {
  const task = aTask({ id: 12, target: 'a b.exe', package: 'exe', options: 'free=yes,procmemdump=yes' });
  const conf = analysisConf({ ...input, task });
  expect(conf).toBe(
    `[analysis]
category = file
target = a b.exe
package = exe
file_name = a b.exe
file_type = PE32 executable (GUI) Intel 80386, for MS Windows
pe_exports = 
clock = 20240101T10:00:00
id = 12
terminate_processes = False
options = apk_entry=:,free=yes,procmemdump=yes
enforce_timeout = False
timeout = 120
ip = 192.168.56.1
port = 2042`,
  );
  expect(parsedByPython(conf)).toMatchObject({ pe_exports: '', file_name: 'a b.exe', timeout: '120' });
});

test('an archive says which of its members is meant, and nothing of a file', () => {
  const task = aTask({ category: 'archive', target: 'a.zip', options: 'filename=in/a.exe' });
  const conf = parsedByPython(analysisConf({ ...input, task, fileName: 'a.zip' }));
  expect(conf).toMatchObject({ category: 'archive', file_name: 'a.zip', options: 'filename=in/a.exe' });
  expect(conf).not.toHaveProperty('file_type');
});

test('a URL has no file', () => {
  const task = aTask({
    category: 'url',
    target: 'http://x.example/a%20b?c=d#e',
    options: null,
    sample: null,
  });
  const conf = analysisConf({ ...input, task, fileName: null, uploadMaxSize: 1000 });
  expect(parsedByPython(conf)).toEqual({
    category: 'url',
    target: 'http://x.example/a%20b?c=d#e',
    package: '',
    clock: '20240101T10:00:00',
    id: '12',
    terminate_processes: 'False',
    options: '',
    enforce_timeout: 'False',
    timeout: '120',
    ip: '192.168.56.1',
    port: '2042',
    upload_max_size: '1000',
  });
});

describe('a value adds no key', () => {
  test.each([
    'a\nip = 6.6.6.6',
    'a\r\nip = 6.6.6.6',
    'a\rip=6',
    'a\u2028ip=6',
    'a\x85ip=6',
    'a\x0bip=6',
    'a\0',
  ])('%j is refused', (target) => {
    const task = aTask({ category: 'url', target });
    expect(() => analysisConf({ ...input, task, fileName: null })).toThrow(
      expect.objectContaining({ code: 'BAD_REQUEST' }),
    );
  });

  test('nor does a key', () => {
    expect(() => formatConf({ 'a = 1\nb': 'x' })).toThrow('cannot be handed');
  });

  test('what libmagic read from the file cannot either, and does not stop the analysis', () => {
    const sample = { ...aTask({}).sample, fileType: 'data\nip = 6.6.6.6' } as never;
    expect(analysisConf({ ...input, task: aTask({ sample }) })).toContain('file_type = data ip = 6.6.6.6\n');
  });

  test('whatever is let through, Python reads one key with that value', () => {
    const values = fc.sample(fc.string({ unit: 'binary', maxLength: 40 }), 300);
    const fields: Record<string, string> = {};
    for (const [n, value] of values.entries()) {
      try {
        formatConf({ [`k${n}`]: value });
        fields[`k${n}`] = value;
      } catch {
        // refused
      }
    }
    expect(Object.keys(fields).length).toBeGreaterThan(50);
    const read = parsedByPython(formatConf(fields));
    // Python trims; lone surrogates do not survive UTF-8.
    expect(Object.keys(read)).toEqual(Object.keys(fields));
  });
});
