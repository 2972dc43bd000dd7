import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { JsonLocator, type Located, type Span, type Wanted } from './json-locate.js';

type Path = readonly [string, ...string[]];

/** All of these, as one tree. */
function tree(...paths: readonly Path[]): Wanted {
  const root = new Map<string, Wanted | 'member'>();
  for (const [first, ...rest] of paths) {
    const below = rest.length === 0 ? 'member' : tree(rest as unknown as Path);
    const there = root.get(first);
    root.set(first, there instanceof Map && below instanceof Map ? new Map([...there, ...below]) : below);
  }
  return root;
}

/** Pushed in pieces of `step` bytes: chunk borders mean nothing. */
function locate(text: string, wanted: Wanted, step = 1): Located[] {
  const locator = new JsonLocator(wanted);
  const bytes = Buffer.from(text);
  const found: Located[] = [];
  for (let at = 0; at < bytes.length; at += step) found.push(...locator.push(bytes.subarray(at, at + step)));
  locator.end();
  return found;
}

function without(text: string, spans: readonly Span[]): unknown {
  const bytes = Buffer.from(text);
  let rest = '';
  let at = 0;
  for (const { start, end } of spans) {
    rest += bytes.toString('utf8', at, start);
    at = end;
  }
  return JSON.parse(rest + bytes.toString('utf8', at));
}

const TEXT = '{"a": 1, "b" : {"c":[true, {"d":"x,\\"}]"}], "é":null} , "e":"end" }';

describe('finding members of a JSON document', () => {
  test.each([
    [['a'], 1],
    [['b'], { c: [true, { d: 'x,"}]' }], é: null }],
    [
      ['b', 'c'],
      [true, { d: 'x,"}]' }],
    ],
    [['b', 'c', '0'], true],
    [['b', 'c', '1', 'd'], 'x,"}]'],
    [['b', 'é'], null],
    [['e'], 'end'],
  ] as const)('%j is found where it is', (path, value) => {
    for (const step of [1, 2, 7, 1000]) {
      const [found, ...more] = locate(TEXT, tree(path), step);
      expect(more).toEqual([]);
      expect(JSON.parse(Buffer.from(TEXT).toString('utf8', found?.value.start, found?.value.end))).toEqual(
        value,
      );
    }
  });

  test.each([
    [['x']],
    [['a', 'b']],
    [['b', 'c', '2']],
    [['b', 'c', '00']],
    [['b', 'c', 'd']],
    [['e', '0']],
  ] as const)('%j is not there', (path) => {
    expect(locate(TEXT, tree(path))).toEqual([]);
  });

  test('a key is compared as it reads, not as it is written', () => {
    expect(locate('{"\\u0061":1}', tree(['a']))).toHaveLength(1);
  });

  test('a key of a guest, however long, costs nothing and is no error', () => {
    const long = 'k'.repeat(100_000);
    expect(locate(`{"${long}":1,"a":2}`, tree([long], ['a']), 1000)).toHaveLength(1);
  });

  test('a million brackets are no recursion', () => {
    const deep = `${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`;
    expect(locate(`{"a":${deep},"b":1}`, tree(['b']), 65_536)).toHaveLength(1);
  });

  test.each(['', ' ', '{', '{"a":1', '["a"', '{"a":"b', '{"a":1}}', '{1:2}', '{"\\x":1}'])(
    '%j is told from a whole document',
    (text) => {
      expect(() => locate(text, tree(['a']))).toThrow('not a JSON document');
    },
  );

  test('whatever members are cut out, the rest is the same document without them', () => {
    const keys = fc.constantFrom('a', 'b', 'c', 'd', 'e');
    const documents = fc.dictionary(keys, fc.oneof(fc.jsonValue(), fc.dictionary(keys, fc.jsonValue())));
    const paths = fc.array(fc.oneof(fc.tuple(keys), fc.tuple(keys, keys)), { maxLength: 6 });
    fc.assert(
      fc.property(documents, paths, fc.constantFrom(undefined, 1, 4), (document, cut, indent) => {
        const text = JSON.stringify(document, null, indent);
        const wanted = tree(...cut.toSorted((one, other) => other.length - one.length));
        const spans = locate(text, wanted, 3).map((found) => found.cut);
        expect(without(text, spans)).toEqual(removed(JSON.parse(text), wanted));
      }),
      { numRuns: 500 },
    );
  });
});

function removed(value: unknown, wanted: Wanted): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).flatMap(([key, below]: [string, unknown]) => {
    const want = wanted.get(key);
    if (want === 'member') return [];
    return [[key, want ? removed(below, want) : below] as const];
  });
  return Array.isArray(value) ? kept.map(([, below]) => below) : Object.fromEntries(kept);
}
