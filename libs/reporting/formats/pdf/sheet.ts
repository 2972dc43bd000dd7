import { clip } from '../../text.js';
import { printable } from './printable.js';
import { COLOR, LEADING, MARGIN, SIZE, type Font } from './style.js';
import { wrap } from './wrap.js';

type Document = PDFKit.PDFDocument;

export interface TextStyle {
  readonly font?: Font;
  readonly size?: number;
  readonly color?: string;
  /** From the left margin. */
  readonly indent?: number;
  readonly width?: number;
}

export interface Column {
  readonly title: string;
  /** Share of the width; the shares of a table add up to 1. */
  readonly share: number;
  readonly font?: Font;
  /** Code units of a cell. */
  readonly limit?: number;
}

const PADDING = 4;
/** Between the last line and the footer. */
const FOOTER = 12;
const CELL = 160;

/** Pages filled from top to bottom. Every text goes through `printable`, so it may be the guest's. */
export class Sheet {
  readonly document: Document;
  readonly left = MARGIN;
  readonly width: number;
  y = MARGIN;
  readonly #widths: Readonly<Record<Font, Map<string, number>>> = {
    sans: new Map(),
    bold: new Map(),
    mono: new Map(),
  };

  constructor(document: Document) {
    this.document = document;
    this.width = document.page.width - 2 * MARGIN;
  }

  /** A new page unless so much fits on this one. */
  need(height: number): void {
    if (this.y + height <= this.document.page.height - MARGIN - FOOTER) return;
    this.document.addPage();
    this.y = MARGIN;
  }

  space(height: number): void {
    this.y += height;
  }

  lines(text: string, style: TextStyle = {}): readonly string[] {
    const { font = 'sans', size = SIZE.text, indent = 0, width = this.width - indent } = style;
    return wrap(printable(text), width / size, (char) => this.#charWidth(font, char));
  }

  /** At size 1. Measuring whole texts, again for each word more, would take most of the time. */
  #charWidth(font: Font, char: string): number {
    const known = this.#widths[font].get(char);
    if (known !== undefined) return known;
    const width = this.document.font(font).fontSize(1).widthOfString(char);
    this.#widths[font].set(char, width);
    return width;
  }

  /** Of a printable text. */
  widthOf(text: string, font: Font, size: number): number {
    let width = 0;
    for (const char of text) width += this.#charWidth(font, char);
    return width * size;
  }

  /** A paragraph that may run over pages. */
  text(text: string, style: TextStyle = {}): void {
    const { size = SIZE.text, indent = 0 } = style;
    for (const line of this.lines(text, style)) {
      this.need(size * LEADING);
      this.line(line, this.left + indent, this.y, style);
      this.y += size * LEADING;
    }
  }

  /** One line, already wrapped and printable. */
  line(line: string, x: number, y: number, style: TextStyle): void {
    const { font = 'sans', size = SIZE.text, color = COLOR.ink } = style;
    this.document.font(font).fontSize(size).fillColor(color).text(line, x, y, { lineBreak: false });
  }

  heading(title: string, count?: number): void {
    this.space(14);
    this.need(60);
    this.line(title, this.left, this.y, { font: 'bold', size: SIZE.heading });
    if (count !== undefined) {
      const after = this.left + this.widthOf(title, 'bold', SIZE.heading) + 6;
      this.line(count.toLocaleString('en-US'), after, this.y + 3, { size: SIZE.text, color: COLOR.soft });
    }
    this.y += SIZE.heading * LEADING;
    this.rule();
    this.space(5);
  }

  rule(): void {
    const { document: doc, left, y } = this;
    doc
      .moveTo(left, y)
      .lineTo(left + this.width, y)
      .lineWidth(0.6)
      .strokeColor(COLOR.line)
      .stroke();
  }

  quiet(text: string): void {
    this.text(text, { color: COLOR.soft });
  }

  /** Says what was left out, nothing when nothing was. */
  rest(total: number, shown: number, where: string): void {
    if (total > shown)
      this.text(`${total - shown} more are in report.json under ${where}.`, {
        size: SIZE.small,
        color: COLOR.soft,
      });
  }

  /** Small white words on a coloured ground. Gives the width. */
  chip(text: string, x: number, y: number, color: string): number {
    const { document: doc } = this;
    const label = printable(text);
    const width = this.widthOf(label, 'bold', SIZE.small) + 8;
    doc.roundedRect(x, y, width, SIZE.small * 1.5, 2.5).fill(color);
    this.line(label, x + 4, y + 1.7, { font: 'bold', size: SIZE.small, color: COLOR.white });
    return width;
  }

  /** A row never breaks over pages. */
  table(columns: readonly Column[], rows: readonly (readonly string[])[]): void {
    this.#tableHead(columns);
    for (const row of rows) {
      const cells = columns.map((column, i) =>
        this.lines(clip(row[i] ?? '', column.limit ?? CELL), this.#cell(column)),
      );
      const height = Math.max(...cells.map((lines) => lines.length)) * SIZE.code * LEADING + PADDING;
      const page = this.document.page;
      this.need(height);
      if (this.document.page !== page) this.#tableHead(columns);
      let x = this.left;
      columns.forEach((column, i) => {
        cells[i]?.forEach((line, n) =>
          this.line(line, x, this.y + n * SIZE.code * LEADING, this.#cell(column)),
        );
        x += column.share * this.width;
      });
      this.y += height - PADDING / 2;
      this.rule();
      this.y += PADDING / 2;
    }
  }

  #cell({ font = 'sans', share }: Column): TextStyle {
    return { font, size: SIZE.code, width: share * this.width - 2 * PADDING };
  }

  #tableHead(columns: readonly Column[]): void {
    this.need(40);
    let x = this.left;
    for (const { title, share } of columns) {
      this.line(title, x, this.y, { font: 'bold', size: SIZE.small, color: COLOR.soft });
      x += share * this.width;
    }
    this.y += SIZE.small * LEADING + 2;
    this.rule();
    this.y += PADDING / 2;
  }
}
