import { expect, test } from '@jest/globals';
import { table, type Column } from './table.js';

interface Row {
  readonly id: number;
  readonly owner: string;
  readonly target: string;
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'ID', cell: ({ id }) => String(id), align: 'right' },
  { title: 'OWNER', cell: ({ owner }) => owner },
  { title: 'TARGET', cell: ({ target }) => target },
];

test('cells stand below their titles; the last column is as long as it is', () => {
  const rows = [
    { id: 9, owner: 'ann', target: 'a.sh' },
    { id: 10, owner: '', target: 'b' },
  ];
  expect(table(COLUMNS, rows, Infinity).split('\n')).toEqual([
    'ID  OWNER  TARGET', //
    ' 9  ann    a.sh',
    '10         b',
  ]);
});

test('a column that no row fills is left out', () => {
  expect(table(COLUMNS, [{ id: 1, owner: '', target: 'a' }], Infinity)).toBe('ID  TARGET\n 1  a');
});

test('the last column is cut to the width, counted in cells of the terminal', () => {
  const cut = (target: string) => table(COLUMNS, [{ id: 1, owner: '', target }], 14).split('\n')[1];
  expect(cut('0123456789')).toBe(' 1  0123456789');
  expect(cut('0123456789a')).toBe(' 1  012345678…');
  expect(cut('发票发票发票')).toBe(' 1  发票发票…');
  expect(cut('e\u0301'.repeat(10))).toBe(` 1  ${'e\u0301'.repeat(10)}`);
});

test('wide characters before it do not push a column aside', () => {
  const rows = [
    { id: 1, owner: '票', target: 'x' },
    { id: 2, owner: 'anna', target: 'y' },
  ];
  expect(table(COLUMNS, rows, Infinity).split('\n').slice(1)).toEqual([' 1  票     x', ' 2  anna   y']);
});

test('a colour does not count, and nobody brings one of his own', () => {
  const red = (text: string) => `\u001b[31m${text}\u001b[0m`;
  const columns = [{ ...COLUMNS[1], style: () => red }, COLUMNS[2]] as readonly Column<Row>[];
  expect(table(columns, [{ id: 1, owner: 'ann', target: '\u001b[2Jx\ny' }], Infinity).split('\n')[1]).toBe(
    `${red('ann')}    \\u001b[2Jx\\u000ay`,
  );
});
