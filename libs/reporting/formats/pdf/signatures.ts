import type { Mark, Report, SignatureMatch } from '#domain/report.js';
import { clip } from '../../text.js';
import { SEVERITY } from '../html/signatures.js';
import type { Sheet } from './sheet.js';
import { COLOR, LEADING, SEVERITY_COLOR, SIZE } from './style.js';

const SIGNATURES = 40;
const MARKS = 4;
const TEXT = 200;

function proof(mark: Mark): string {
  if (mark.type === 'ioc') {
    const note = mark.description === null ? '' : ` (${clip(mark.description, 60)})`;
    return `${mark.category}: ${clip(mark.ioc, TEXT)}${note}`;
  }
  const args = Object.values(mark.call.arguments).map((arg) => clip(arg, 60));
  const status = mark.call.status === '' ? '' : ` ${mark.call.status}`;
  return `call: ${clip(`${mark.call.api}(${args.join(', ')}) = ${mark.call.return_value}${status}`, TEXT)} by process ${mark.pid}`;
}

function signature(sheet: Sheet, match: SignatureMatch, points: number): void {
  sheet.need(3 * SIZE.text * LEADING + 6);
  const chip = sheet.chip(SEVERITY[match.severity], sheet.left, sheet.y, SEVERITY_COLOR[match.severity]);
  const side = `${Object.keys(match.ttp).slice(0, 4).join(' ')}  +${points.toFixed(1)}`;
  const sideWidth = sheet.widthOf(side, 'sans', SIZE.small);
  sheet.line(side, sheet.left + sheet.width - sideWidth, sheet.y + 1.2, {
    size: SIZE.small,
    color: COLOR.soft,
  });
  const indent = chip + 6;
  sheet.text(clip(match.description, 200), {
    font: 'bold',
    indent,
    width: sheet.width - indent - sideWidth - 8,
  });
  sheet.space(1);
  for (const mark of match.marks.slice(0, MARKS))
    sheet.text(proof(mark), { font: 'mono', size: SIZE.code, indent: 10, color: COLOR.soft });
  if (match.markcount > MARKS)
    sheet.text(`${match.markcount - MARKS} more`, { size: SIZE.small, indent: 10, color: COLOR.soft });
  sheet.space(5);
}

export function signatures(sheet: Sheet, { signatures: all, malkoha }: Report): void {
  sheet.heading('Why', all.length);
  if (all.length === 0)
    sheet.quiet(
      'No signature matched. That is no proof of harmlessness: see how the run ended and what was traced.',
    );
  const points = new Map(malkoha.score.parts.map((part) => [part.signature, part.points]));
  const strongest = [...all].reverse();
  for (const match of strongest.slice(0, SIGNATURES)) signature(sheet, match, points.get(match.name) ?? 0);
  sheet.rest(all.length, SIGNATURES, 'signatures');
}
