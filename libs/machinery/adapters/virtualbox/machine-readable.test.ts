import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseList, parseMachineReadable, parseSnapshots } from './machine-readable.js';

/** Lines as VirtualBox 7.2.20 writes them on Windows. */
const INFO = [
  ...['name="probe \\"a=b\\""', 'CfgFile="G:\\\\Lab\\\\probe.vbox"', 'memory=64', 'VMState="running"'],
  ...[
    'VMStateChangeTime="2026-09-26T00:41:17.212000000"',
    '"SATA-0-0"="G:\\\\Lab\\\\a.vdi"',
    'VRDEClients==0',
  ],
  ...[' rec_screen0', 'VideoMode="720,400,0"@0,0 1', 'uartmode1="file,C:\\Lab\\"', 'teleporterpassword=""'],
  ...['description="first line', 'VMState=\\"poweroff\\"', 'and a \\"quoted\\" end\\\\"', 'vrde="off"'],
];

describe('machine-readable output', () => {
  test.each(['\n', '\r\n'])('with lines that end in %j', (end) => {
    const values = parseMachineReadable(INFO.join(end));
    expect(Object.fromEntries(values)).toEqual({
      ...{ name: 'probe "a=b"', CfgFile: 'G:\\Lab\\probe.vbox', memory: '64', VMState: 'running' },
      ...{
        VMStateChangeTime: '2026-09-26T00:41:17.212000000',
        'SATA-0-0': 'G:\\Lab\\a.vdi',
        VRDEClients: '=0',
      },
      ...{ VideoMode: '720,400,0', uartmode1: 'file,C:\\Lab\\', teleporterpassword: '' },
      ...{ description: 'first line\nVMState="poweroff"\nand a "quoted" end\\', vrde: 'off' },
    });
  });

  test('a value is read back as it was written, and its lines are no keys', () => {
    const quote = (text: string) => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
    fc.assert(
      fc.property(
        fc.string().map((text) => text.replaceAll('\r', '')),
        (text) => {
          const values = parseMachineReadable(`description=${quote(text)}\nVMState="saved"\n`);
          expect([...values]).toEqual([
            ['description', text],
            ['VMState', 'saved'],
          ]);
        },
      ),
    );
  });

  test('any text is read', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', 'b', '=', '\\', '"', '\n', '\r', '{', '}', '-', '1') }),
        (text) => {
          expect(parseMachineReadable(text).size).toBeLessThanOrEqual(text.length);
          expect(parseMachineReadable(`description="${text}`).has('description')).toBe(true);
          expect(parseList(text)).toEqual([]);
        },
      ),
    );
  });

  test('megabytes of it cost little', () => {
    const lines = 'description="'.concat('\\\\\n'.repeat(1_000_000));
    expect(parseMachineReadable(lines).size).toBe(1);
  });

  test('snapshots come with their UUIDs, descriptions are none of them', () => {
    const lines = [
      ...[
        'SnapshotName="clean"',
        'SnapshotUUID="u1"',
        'SnapshotDescription="a',
        'SnapshotName-9=\\"x\\"',
        '"',
      ],
      ...[
        'SnapshotName-1="clean"',
        'SnapshotUUID-1="u2"',
        'SnapshotName-1-2="late"',
        'SnapshotUUID-1-2="u3"',
      ],
      ...['CurrentSnapshotName="clean"', 'CurrentSnapshotUUID="u2"', 'CurrentSnapshotNode="SnapshotName-1"'],
    ];
    expect(parseSnapshots(parseMachineReadable(lines.join('\n')))).toEqual({
      all: [
        { name: 'clean', uuid: 'u1' },
        { name: 'clean', uuid: 'u2' },
        { name: 'late', uuid: 'u3' },
      ],
      current: { name: 'clean', uuid: 'u2' },
    });
    expect(parseSnapshots(new Map())).toEqual({ all: [], current: null });
  });

  test('machines are listed by name and UUID', () => {
    const uuid = '9883f6c3-b17d-4077-aa52-d9c49a6912a5';
    expect(parseList(`"a "b" {c}" {${uuid}}\r\n"<inaccessible>" {${uuid.toUpperCase()}}\nwarning\n`)).toEqual(
      [
        { name: 'a "b" {c}', uuid },
        { name: '<inaccessible>', uuid },
      ],
    );
  });
});
