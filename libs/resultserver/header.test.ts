import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { HeaderParser, MAX_LINE_BYTES, type Dialect } from './header.js';

function parse(bytes: Buffer | string, dialect: Dialect = 'cuckoo2') {
  return new HeaderParser(dialect).push(Buffer.from(bytes));
}

const CAPE = 'FILE 2\nfiles/c97c\nC:\\x\\a.bin\n752\n484 4\n0;?C:\\a;?\nfiles\n0\nDATA';

describe('a header is read as the table of commands has it', () => {
  test('LOG', () => {
    expect(parse('LOG\nx')).toEqual({ header: { kind: 'log' }, rest: Buffer.from('x') });
  });

  test('BSON with and without a process id', () => {
    expect(parse('BSON 752\n')?.header).toEqual({ kind: 'bson', pid: 752 });
    expect(parse('BSON\n')?.header).toEqual({ kind: 'bson', pid: null });
  });

  test('FILE has one line, FILE 2 and FILE 3 of Cuckoo have three', () => {
    expect(parse('FILE\nshots/0001.jpg\nrest')).toEqual({
      header: { kind: 'file', path: Buffer.from('shots/0001.jpg'), filepath: null, pids: [], cape: null },
      rest: Buffer.from('rest'),
    });
    for (const version of [2, 3]) {
      expect(parse(`FILE ${version}\nfiles/a\nC:\\Users\\u\\a.bin\n752 484\nDATA`)).toEqual({
        header: {
          kind: 'file',
          path: Buffer.from('files/a'),
          filepath: 'C:\\Users\\u\\a.bin',
          pids: [752, 484],
          cape: null,
        },
        rest: Buffer.from('DATA'),
      });
    }
    expect(parse('FILE 2\nmemory/752-1.dmp\nC:\\t\n\n')?.header).toMatchObject({ pids: [] });
  });

  test('FILE 2 of CAPE has seven lines', () => {
    expect(parse(CAPE, 'cape')).toMatchObject({
      header: {
        filepath: 'C:\\x\\a.bin',
        pids: [752],
        cape: { ppids: [484, 4], metadata: '0;?C:\\a;?', category: 'files', duplicated: false },
      },
      rest: Buffer.from('DATA'),
    });
  });

  test('PROTO is CAPE only', () => {
    expect(parse('PROTO 752\n', 'cape')?.header).toEqual({ kind: 'proto', pid: 752 });
    expect(() => parse('PROTO 752\n')).toThrow('not expected');
    expect(() => parse('PROTO\n', 'cape')).toThrow('not expected');
  });

  test('a client that ends lines with CR LF is understood; a CR inside a path line of another is data', () => {
    expect(parse('FILE 2\r\nfiles/a\r\nC:\\a\r\n1 2\r\nX')?.header).toMatchObject({
      path: Buffer.from('files/a'),
      filepath: 'C:\\a',
      pids: [1, 2],
    });
    expect(parse('FILE\nfiles/a\r\n')?.header).toMatchObject({ path: Buffer.from('files/a\r') });
  });
});

test.each([
  'XYZ\n',
  '\n',
  'BSON a\n',
  'BSON -1\n',
  'BSON 4294967296\n',
  'LOG 1 2\n',
  'log\n',
  ' LOG\n',
  'FILE 2\nfiles/a\nC:\\a\nseven\n',
  'GET / HTTP/1.1\r\n',
])('%j is refused', (bytes) => {
  expect(() => parse(bytes)).toThrow(expect.objectContaining({ code: 'PROTOCOL_VIOLATION' }));
});

test('a line may have 4096 bytes and not one more, with or without its end', () => {
  const path = (length: number) => `FILE\n${'a'.repeat(length)}`;
  expect(parse(`${path(MAX_LINE_BYTES)}\n`)).not.toBeNull();
  expect(parse(path(MAX_LINE_BYTES))).toBeNull();
  expect(() => parse(path(MAX_LINE_BYTES + 1))).toThrow('longer than 4096');
  expect(() => parse(`${path(MAX_LINE_BYTES + 1)}\n`)).toThrow('longer than 4096');
});

test('chunk borders mean nothing', () => {
  const wire = Buffer.from(CAPE);
  const whole = parse(wire, 'cape');
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 9 })), (sizes) => {
      const parser = new HeaderParser('cape');
      let at = 0;
      let start = null;
      for (const size of [...sizes, wire.length]) {
        start = parser.push(wire.subarray(at, at + size));
        at += size;
        if (start) break;
      }
      expect(start?.header).toEqual(whole?.header);
      expect(Buffer.concat([start?.rest ?? Buffer.alloc(0), wire.subarray(at)]).toString()).toBe('DATA');
    }),
  );
});

test('no bytes make the parser throw anything but a ProtocolError, or keep more than a header', () => {
  const line = fc.oneof(
    fc.constantFrom('FILE', 'FILE 2', 'LOG', 'BSON', 'BSON 7', 'PROTO 1', '1 2', 'files/a'),
    fc.string({ unit: 'binary' }),
  );
  fc.assert(
    fc.property(fc.array(line), fc.constantFrom<Dialect>('cuckoo2', 'cape', 'malkoha'), (lines, dialect) => {
      try {
        const start = parse(lines.join('\n'), dialect);
        expect(start === null || start.rest.length <= Buffer.byteLength(lines.join('\n'))).toBe(true);
      } catch (error) {
        expect(error).toMatchObject({ code: 'PROTOCOL_VIOLATION' });
      }
    }),
  );
});
