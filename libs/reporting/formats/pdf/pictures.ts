import type { Report } from '#domain/report.js';
import type { Assets } from '../../format.js';
import { choose } from '../html/screenshots.js';
import { plural } from '../html/lists.js';
import type { Sheet } from './sheet.js';
import { COLOR, LEADING, SIZE } from './style.js';

const PICTURES = 4;
/** Pixels of a picture's longer side in the document. */
const EDGE = 900;
/** Pixels of the original; a larger one is no screen, and would take our memory. */
const MAX_PIXELS = 40_000_000;
const GAP = 10;
/** Points a picture may be high: one of a phone must not fill a page. */
const TALLEST = 240;

interface Picture {
  readonly jpeg: Buffer;
  readonly width: number;
  readonly height: number;
}

/**
 * Made anew, never copied: the guest may have written the file, and readers of PDFs have been attacked by pictures.
 * null when it is no picture.
 */
async function picture(bytes: Buffer): Promise<Picture | null> {
  const { default: sharp } = await import('sharp');
  try {
    const image = sharp(bytes, { limitInputPixels: MAX_PIXELS }).flatten({ background: COLOR.white });
    const small = image.resize(EDGE, EDGE, { fit: 'inside', withoutEnlargement: true }).jpeg({ quality: 80 });
    const { data, info } = await small.toBuffer({ resolveWithObject: true });
    return { jpeg: data, width: info.width, height: info.height };
  } catch {
    return null;
  }
}

interface Numbered extends Picture {
  readonly number: number;
}

async function load(report: Report, assets: Assets): Promise<readonly Numbered[]> {
  const all = report.screenshots ?? [];
  const found: Numbered[] = [];
  for (const shot of choose(all, PICTURES)) {
    const bytes = await assets.screenshot(shot.path);
    const made = bytes === null ? null : await picture(bytes);
    if (made !== null) found.push({ ...made, number: all.indexOf(shot) + 1 });
  }
  return found;
}

/** The first, the last and some between, two in a row. */
export async function pictures(sheet: Sheet, report: Report, assets: Assets): Promise<void> {
  const total = report.screenshots?.length ?? 0;
  if (total === 0) return;
  const found = await load(report, assets);
  sheet.heading('Screenshots', total);
  const left = total - found.length;
  if (left > 0) sheet.quiet(`${plural(left, 'more is', 'more are')} in the analysis folder under shots/.`);
  sheet.space(5);
  const width = (sheet.width - GAP) / 2;
  for (let i = 0; i < found.length; i += 2) {
    const row = found.slice(i, i + 2).map((each) => {
      const scale = Math.min(width / each.width, TALLEST / each.height);
      return { ...each, width: each.width * scale, height: each.height * scale };
    });
    const height = Math.max(...row.map((each) => each.height)) + SIZE.small * LEADING + GAP;
    sheet.need(height);
    row.forEach((each, n) => draw(sheet, each, sheet.left + n * (width + GAP)));
    sheet.space(height);
  }
}

function draw(sheet: Sheet, { jpeg, width, height, number }: Numbered, x: number): void {
  const { document: doc, y } = sheet;
  doc.image(jpeg, x, y, { width, height });
  doc.rect(x, y, width, height).lineWidth(0.6).strokeColor(COLOR.line).stroke();
  sheet.line(`Screenshot ${number}`, x, y + height + 2, { size: SIZE.small, color: COLOR.soft });
}
