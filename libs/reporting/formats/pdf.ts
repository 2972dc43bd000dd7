import type { Report } from '#domain/report.js';
import type { Assets, Piece, ReportFormat } from '../format.js';
import { clip } from '../text.js';
import { targetName } from './html/verdict.js';
import { files } from './pdf/files.js';
import { fonts } from './pdf/fonts.js';
import { network } from './pdf/network.js';
import { pictures } from './pdf/pictures.js';
import { printable } from './pdf/printable.js';
import { processes } from './pdf/processes.js';
import { Sheet } from './pdf/sheet.js';
import { signatures } from './pdf/signatures.js';
import { COLOR, MARGIN, SIZE } from './pdf/style.js';
import { verdict } from './pdf/verdict.js';

/** The report's own time, never the clock's: pdfkit makes the document's id of it, too. */
function created({ info }: Report): Date {
  const date = new Date((info.ended || info.started) * 1000);
  return Number.isNaN(date.getTime()) ? new Date(0) : date;
}

function footers(sheet: Sheet, report: Report): void {
  const { document: doc } = sheet;
  const { count } = doc.bufferedPageRange();
  const style = { size: SIZE.small, color: COLOR.soft } as const;
  for (let page = 0; page < count; page++) {
    doc.switchToPage(page);
    const y = doc.page.height - MARGIN + 8;
    sheet.line(`Malkoha · task ${report.info.id} · the whole evidence is in report.json`, MARGIN, y, style);
    const number = `${page + 1} of ${count}`;
    sheet.line(number, MARGIN + sheet.width - sheet.widthOf(number, 'sans', SIZE.small), y, style);
  }
}

/** What takes longer than making a document, and not every process makes one. */
export async function loadPdf() {
  const [{ default: PDFDocument }, faces] = await Promise.all([import('pdfkit'), fonts()]);
  return { PDFDocument, faces };
}

async function* render(report: Report, assets: Assets): AsyncGenerator<Piece> {
  const { PDFDocument, faces } = await loadPdf();
  const name = printable(clip(targetName(report), 80));
  const doc = new PDFDocument({
    size: 'A4',
    margin: 0,
    // No Helvetica, which would be loaded and never used.
    font: '',
    bufferPages: true,
    lang: 'en',
    displayTitle: true,
    info: {
      Title: `${name} – ${report.malkoha.score.label} – Malkoha`,
      Creator: 'Malkoha',
      Producer: 'Malkoha',
      CreationDate: created(report),
    },
  });
  for (const [font, file] of faces) doc.registerFont(font, file);
  const sheet = new Sheet(doc);
  for (const section of [verdict, signatures, processes, network, files]) section(sheet, report);
  await pictures(sheet, report, assets);
  footers(sheet, report);
  doc.end();
  yield* doc as AsyncIterable<Buffer>;
}

/** A few pages to read, print and pass on. */
export const pdf: ReportFormat = { extension: 'pdf', render };
