import { visible } from './text.js';

type Style = (text: string) => string;

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  readonly align?: 'right';
  readonly style?: (row: Row) => Style;
}

const GAP = '  ';
/** Cells that the last column keeps, however narrow the terminal is. */
const MIN_LAST = 10;

/**
 * Rows with aligned columns below their titles, safe for a terminal; a column that no row fills is left out, and the
 * last one is cut so that a line has at most `width` cells.
 */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width: number): string {
  const filled = columns
    .map((column) => ({ column, cells: rows.map((row) => visible(column.cell(row))) }))
    .filter(({ cells }) => cells.some((cell) => cell !== ''))
    .map(({ column, cells }) => ({
      column,
      cells,
      size: [column.title, ...cells].reduce((size, cell) => Math.max(size, cellsOf(cell)), 0),
    }));
  const before = filled.slice(0, -1).reduce((sum, { size }) => sum + size + GAP.length, 0);
  const line = (cell: (index: number) => readonly [text: string, style: Style]): string =>
    filled
      .map(({ column, size }, index) => {
        const [text, style] = cell(index);
        if (index === filled.length - 1) return style(cut(text, Math.max(MIN_LAST, width - before)));
        const space = ' '.repeat(size - cellsOf(text));
        return column.align === 'right' ? space + style(text) : style(text) + space;
      })
      .join(GAP);
  const plain: Style = (text) => text;
  const body = rows.map((row, at) =>
    line((index) => [filled[index]?.cells[at] ?? '', filled[index]?.column.style?.(row) ?? plain]),
  );
  return [line((index) => [filled[index]?.column.title ?? '', plain]), ...body].join('\n');
}

/** What a line may have: the terminal's width, or everything in a pipe. */
export function lineWidth(): number {
  return process.stdout.isTTY ? process.stdout.columns : Infinity;
}

/** Shortens to `size` cells, the last of them `…`. */
function cut(text: string, size: number): string {
  if (cellsOf(text) <= size) return text;
  let kept = '';
  let used = 0;
  for (const character of text) {
    used += cellsOf(character);
    if (used > size - 1) break;
    kept += character;
  }
  return `${kept}…`;
}

/** Characters a terminal draws two cells wide: East Asian ones and pictures. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
/** Characters drawn over the one before, or not at all. */
const NARROW = /[\p{Mn}\p{Me}\p{Cf}]/u;

function cellsOf(text: string): number {
  let cells = 0;
  for (const character of text) cells += WIDE.test(character) ? 2 : NARROW.test(character) ? 0 : 1;
  return cells;
}
