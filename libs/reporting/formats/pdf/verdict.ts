import type { Report } from '#domain/report.js';
import { clip } from '../../text.js';
import { bytes, moment, plural } from '../html/lists.js';
import { ENDINGS, targetName } from '../html/verdict.js';
import type { Sheet, TextStyle } from './sheet.js';
import { COLOR, LEADING, MARGIN, SIZE, TONE } from './style.js';

const BAND = 92;
const NOTES = 12;

/** The coloured head of the first page: score, verdict, name. */
function band(sheet: Sheet, report: Report): void {
  const { document: doc, left } = sheet;
  const { score } = report.malkoha;
  const { target } = report;
  doc.rect(0, 0, doc.page.width, BAND).fill(TONE[score.label]);
  const [x, y, radius] = [left + 30, BAND / 2, 30];
  const value = score.value.toFixed(1);
  doc.circle(x, y, radius).lineWidth(5).strokeColor('#ffffff').strokeOpacity(0.35).stroke();
  const end = -Math.PI / 2 + 2 * Math.PI * Math.min(0.9999, Math.max(0, score.value / 10));
  if (score.value > 0) arc(sheet, x, y, radius, end);
  doc.strokeOpacity(1);
  centred(sheet, value, x, y - 13, { font: 'bold', size: 18, color: COLOR.white });
  centred(sheet, 'of 10', x, y + 8, { font: 'sans', size: SIZE.small, color: COLOR.white });

  const text = left + 78;
  const width = sheet.width - 78;
  sheet.line(score.label.toUpperCase(), text, 20, { font: 'bold', size: SIZE.text, color: COLOR.white });
  const title = { font: 'bold', size: SIZE.title, color: COLOR.white, width } as const;
  const [first = '', second] = sheet.lines(clip(targetName(report), 120), title);
  sheet.line(second === undefined ? first : `${first.slice(0, -2)}…`, text, 33, title);
  const type = target.category === 'url' ? 'URL' : target.file.type;
  const sub = { size: SIZE.text, color: COLOR.white, width } as const;
  sheet.line(sheet.lines(clip(type, 160), sub)[0] ?? '', text, 59, sub);
  sheet.y = BAND + 14;
}

function centred(
  sheet: Sheet,
  text: string,
  x: number,
  y: number,
  style: Required<Pick<TextStyle, 'font' | 'size' | 'color'>>,
): void {
  sheet.line(text, x - sheet.widthOf(text, style.font, style.size) / 2, y, style);
}

/** From the top, clockwise. */
function arc(sheet: Sheet, x: number, y: number, radius: number, end: number): void {
  const { document: doc } = sheet;
  const steps = 64;
  const start = -Math.PI / 2;
  doc.moveTo(x, y - radius);
  for (let i = 1; i <= steps; i++) {
    const angle = start + ((end - start) * i) / steps;
    doc.lineTo(x + radius * Math.cos(angle), y + radius * Math.sin(angle));
  }
  doc.lineWidth(5).strokeOpacity(1).strokeColor('#ffffff').stroke();
}

type Fact = readonly [name: string, value: string | null];

/** Facts in columns, hashes over the whole width. */
function facts(sheet: Sheet, rows: readonly Fact[], columns: number): void {
  const shown = rows.filter(([, value]) => value !== null && value !== '');
  const width = sheet.width / columns;
  const height = SIZE.small * LEADING + SIZE.text * LEADING + 5;
  for (let i = 0; i < shown.length; i += columns) {
    sheet.need(height);
    shown.slice(i, i + columns).forEach(([name, value], n) => {
      const x = MARGIN + n * width;
      sheet.line(name, x, sheet.y, { size: SIZE.small, color: COLOR.soft });
      const style = { size: SIZE.text, width: width - 8 } as const;
      const [line = ''] = sheet.lines(clip(value ?? '', 60), style);
      sheet.line(line, x, sheet.y + SIZE.small * LEADING, style);
    });
    sheet.space(height);
  }
}

function hashes(sheet: Sheet, { target }: Report): void {
  if (target.category === 'url') {
    sheet.text(clip(target.url, 600), { font: 'mono', size: SIZE.code });
    return;
  }
  const { file } = target;
  const rows: readonly Fact[] = [
    ['MD5', file.md5],
    ['SHA-1', file.sha1],
    ['SHA-256', file.sha256],
    ['ssdeep', file.ssdeep],
  ];
  for (const [name, value] of rows) {
    if (value === null) continue;
    sheet.need(SIZE.code * LEADING + 2);
    sheet.line(name, sheet.left, sheet.y, { size: SIZE.small, color: COLOR.soft });
    sheet.text(clip(value, 200), { font: 'mono', size: SIZE.code, indent: 44 });
  }
}

export function verdict(sheet: Sheet, report: Report): void {
  const { info, malkoha, target } = report;
  const machine = 'name' in info.machine ? `${info.machine.name} (${info.machine.manager})` : null;
  band(sheet, report);
  facts(
    sheet,
    [
      ['Task', `#${info.id}`],
      ['Run', moment(info.started)],
      ['Took', info.duration < 0 ? 'unknown' : plural(info.duration, 'second')],
      ['The run', ENDINGS[malkoha.outcome.status] ?? malkoha.outcome.status],
      ['Size', target.category === 'url' ? null : bytes(target.file.size)],
      ['Machine', machine],
      ['Package', info.package],
      ['Network', info.route],
    ],
    4,
  );
  hashes(sheet, report);
  notes(sheet, report);
}

/** What a reader must know before trusting the rest. */
function notes(sheet: Sheet, { malkoha }: Report): void {
  const failed = malkoha.outcome.status === 'failed' ? [malkoha.outcome.reason ?? 'The run failed.'] : [];
  const all = [...failed, ...malkoha.notes];
  if (all.length === 0) return;
  sheet.heading('Before you trust this report');
  for (const note of all.slice(0, NOTES)) {
    sheet.need(SIZE.text * LEADING);
    sheet.line('•', sheet.left, sheet.y, { color: COLOR.soft });
    sheet.text(clip(note, 300), { indent: 10 });
  }
  sheet.rest(all.length, NOTES, 'malkoha.notes');
}
