import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { addSection, commentOut, removeSection, renameKey, setKey } from './edit.js';
import { Findings } from './findings.js';
import { parseIni } from './ini.js';

const FILE =
  '\uFEFF# mine\r\n[kvm]\r\n; the bridge\r\ninterface : br0   ; of the lab\r\n# machines = a\r\n\r\n[a]\r\nip=1.1.1.1\r\n';

describe('one key', () => {
  test('that is there keeps its line, its separator and its comment', () => {
    expect(setKey(FILE, 'kvm', 'interface', 'br1')).toBe(FILE.replace('br0', 'br1'));
    expect(setKey('[a]\nkey=old', 'a', 'KEY', 'new')).toBe('[a]\nkey=new');
    expect(setKey('[a]\nkey =\nx = 1\n', 'a', 'key', 'new')).toBe('[a]\nkey = new\nx = 1\n');
    expect(setKey('[a]\nkey = old ; why\n', 'a', 'key', '')).toBe('[a]\nkey = ; why\n');
  });

  test('that is new stands below its commented default, else below the last key', () => {
    expect(setKey(FILE, 'kvm', 'machines', 'a')).toBe(
      FILE.replace('# machines = a\r\n', '# machines = a\r\nmachines = a\r\n'),
    );
    expect(setKey('[a]\nx = 1\n\n# of b\n[b]\ny = 1\n', 'a', 'z', '2')).toBe(
      '[a]\nx = 1\nz = 2\n\n# of b\n[b]\ny = 1\n',
    );
    expect(setKey('[a]\n[b]', 'b', 'z', '2')).toBe('[a]\n[b]\nz = 2');
    expect(setKey('', 'b', 'z', '2')).toBe('[b]\nz = 2\n');
  });

  test('that was given twice is set where it counts', () => {
    expect(setKey('[a]\nx = 1\n[b]\n[a]\nx = 2\n', 'a', 'x', '3')).toBe('[a]\nx = 1\n[b]\n[a]\nx = 3\n');
  });

  test('is renamed or commented out in its place', () => {
    expect(renameKey('[a]\nOld : 1 ; x\n[b]\nold = 2', 'a', 'old', 'new')).toBe(
      '[a]\nnew : 1 ; x\n[b]\nold = 2',
    );
    expect(commentOut('[a]\nold = 1\nx = 2\n', 'a', 'old', 'moved')).toBe('[a]\n# moved: old = 1\nx = 2\n');
  });

  test.each(['two\nlines', ' space', 'a ; b', '""'])('cannot be %j', (value) => {
    expect(() => setKey('[a]\n', 'a', 'x', value)).toThrow('a .conf file cannot hold that');
  });
});

describe('a section', () => {
  test('comes last, and goes as it came', () => {
    const added = addSection(FILE, 'b', [['ip', '1.1.1.2']]);
    expect(added).toBe(`${FILE}\r\n[b]\r\nip = 1.1.1.2\r\n`);
    expect(removeSection(added, 'b')).toBe(FILE);
    expect(() => addSection(FILE, 'a', [])).toThrow('there is a section [a] already');
  });

  test('leaves what is said about the next one', () => {
    const text = '# of a\n[a]\n# x\nx = 1\n# y = 2\n\n# of b\n[b]\ny = 1\n';
    expect(removeSection(text, 'a')).toBe('# of a\n# of b\n[b]\ny = 1\n');
    expect(removeSection(text, 'c')).toBe(text);
  });
});

/** Files as people write them: any lines, in any order, with any line ends. */
const line = fc.oneof(
  fc.constantFrom(
    '',
    '  ',
    '# comment',
    '; comment',
    '# x = 5',
    '[a]',
    '[b]',
    '[ c d ]',
    'nonsense',
    '\tx = indented',
  ),
  fc
    .tuple(
      fc.constantFrom('x', 'Y', 'z z'),
      fc.constantFrom('=', ' = ', ':', ' :  '),
      fc.string({ maxLength: 12 }),
    )
    .map(([key, mark, value]) => `${key}${mark}${value.replaceAll(/[\r\n]/g, '')}`),
);
const file = fc
  .tuple(
    fc.array(fc.tuple(line, fc.constantFrom('\n', '\r\n', '\n\n')), { maxLength: 20 }),
    fc.boolean(),
    fc.boolean(),
  )
  .map(([lines, mark, open]) => {
    const text = lines.flat().join('');
    return (mark ? '\uFEFF' : '') + (open ? text.replace(/[\r\n]+$/, '') : text);
  });
const value = fc
  .string({ maxLength: 20 })
  .filter((text) => text === text.trim() && !/[\r\n]|\s;|^""$|^;/.test(text));

/** The lines of a text with their ends. */
const linesOf = (text: string) => text.match(/[^\r\n]*(\r\n|\n|\r)|[^\r\n]+$/g) ?? [];

test('whatever a file holds: only one line differs, and it reads as what was set', () => {
  fc.assert(
    fc.property(
      file,
      fc.constantFrom('a', 'b', 'new'),
      fc.constantFrom('x', 'y', 'w'),
      value,
      (text, section, key, wanted) => {
        let edited;
        try {
          edited = setKey(text, section, key, wanted);
        } catch {
          // Only for lines that make a key unreadable, such as an indented one.
          expect(text).toMatch(/^\tx/m);
          return;
        }
        const findings = new Findings();
        const variables = new Map<string, string>();
        const read = parseIni({ file: '', text: edited }, findings, variables).entries;
        expect(read.find((entry) => entry.section === section && entry.key === key)?.value).toBe(wanted);
        const [before, after] = [linesOf(text), linesOf(edited)];
        const start = before.findIndex((one, at) => one !== after[at]);
        const kept = start < 0 ? before.length : start;
        const tail = before.length - kept;
        const same = [...Array(tail).keys()].filter((at) => before.at(-1 - at) === after.at(-1 - at));
        // All but one line is there before and behind the change; a last line without an end may get one.
        const ended = before.at(-1) !== undefined && !/[\r\n]$/.test(before.at(-1) ?? '');
        expect(kept + same.length).toBeGreaterThanOrEqual(before.length - (ended ? 2 : 1));
      },
    ),
    { numRuns: 500 },
  );
});

test('whatever a file holds: a section that is added and removed leaves every byte', () => {
  fc.assert(
    fc.property(file, value, (text, wanted) => {
      fc.pre(text === '' || /[\r\n]$/.test(text));
      const added = addSection(text, 'new one', [['x', wanted]]);
      expect(added.startsWith(text)).toBe(true);
      expect(removeSection(added, 'new one')).toBe(text);
    }),
    { numRuns: 500 },
  );
});
