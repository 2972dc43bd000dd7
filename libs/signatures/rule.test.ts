import { expect, test } from '@jest/globals';
import { parseRules } from './load.js';

const rule = (when: string, more = ''): string =>
  `name: test_rule\ndescription: Does a thing\nseverity: 2\n${more}when:\n${when.replaceAll(/^/gm, '  ')}\n`;

const parse = (text: string) => parseRules(text, 'x.yaml');

test('reads every field', () => {
  expect(
    parse(
      rule('file_written: { glob: /etc/* }\ncount: 3\nprocess: sh', 'ttp: [T1053.003]\nfamilies: [mirai]\n'),
    ),
  ).toEqual([
    {
      name: 'test_rule',
      description: 'Does a thing',
      severity: 2,
      families: ['mirai'],
      references: [],
      ttp: ['T1053.003'],
      when: {
        kind: 'values',
        source: 'file_written',
        matcher: { patterns: [{ kind: 'glob', text: '/etc/*' }], except: [] },
        process: { patterns: [{ kind: 'literal', text: 'sh' }], except: [] },
        count: 3,
      },
    },
  ]);
});

test.each([
  [
    'names the nearest source',
    rule('file_writen: /x'),
    /x\.yaml: rule "test_rule": when has an unknown key "file_writen".*did you mean "file_written"/,
  ],
  [
    'names the nearest field',
    rule('url: x', 'severty: 3\n'),
    /x\.yaml: the rule has an unknown key "severty"; accepted: name, .*did you mean "severity"/,
  ],
  [
    'says what a severity may be',
    rule('url: x').replace('severity: 2', 'severity: 9'),
    /rule "test_rule": severity must be 1, 2, 3, 4 or 5, not 9/,
  ],
  [
    'knows the techniques',
    rule('url: x', 'ttp: [T1053.033]\n'),
    /ttp names a technique.*"T1053\.033"; did you mean "T1053\.003"/,
  ],
  [
    'refuses two kinds in one condition',
    rule('url: x\nhost: y'),
    /when has both "url" and "host": join them with any: or all:/,
  ],
  [
    'refuses a modifier that means nothing there',
    rule('url: x\nprocess: sh'),
    /unknown key "process"; accepted: url, count/,
  ],
  [
    'refuses a regex that is not linear',
    rule("any:\n  - url: { regex: '(a)\\1' }"),
    /when\.any\[0\]\.url\.regex is refused: back-references/,
  ],
  ['refuses a pattern that matches anything', rule("url: { regex: 'a*' }"), /would match anything/],
  ['refuses an empty list', rule('url: []'), /when\.url must be a list, not \[\]/],
  ['refuses an impossible at_least', rule('at_least: 3\nof: [{ url: x }]'), /asks for 3 of 1/],
  ['refuses a sequence of one', rule('sequence: { steps: [{ api: open }] }'), /at least two steps/],
  [
    'refuses a variable nobody remembered',
    rule('sequence: { steps: [{ api: open }, { api: execve, same: { p0: path } }] }'),
    /uses "path" before/,
  ],
  [
    'refuses argument names that do not exist',
    rule('call: { api: open, arguments: { path: x } }'),
    /must name an argument/,
  ],
  ['refuses what is no errno', rule('call: { api: open, status: sucess }'), /did you mean "success"/],
  ['says where the YAML breaks', 'name: [', /x\.yaml: the rule is not YAML/],
  [
    'refuses a rule without a condition',
    'name: abc\ndescription: Does a thing\nseverity: 1',
    /when must be a mapping/,
  ],
])('%s', (_, text, message) => {
  expect(() => parse(text)).toThrow(message);
});
