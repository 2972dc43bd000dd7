import type { Report } from '#domain/report.js';
import { clip } from '../../text.js';
import { changedFiles } from '../html/files.js';
import { bytes } from '../html/lists.js';
import type { Column, Sheet } from './sheet.js';

const FILES = 50;
const DROPPED = 30;

const CHANGED: readonly Column[] = [
  { title: 'Path', share: 0.72, font: 'mono' },
  { title: 'What happened', share: 0.28 },
];
const KEPT: readonly Column[] = [
  { title: 'Path in the guest', share: 0.3, font: 'mono' },
  { title: 'What it is', share: 0.26 },
  { title: 'SHA-256', share: 0.44, font: 'mono' },
];

export function files(sheet: Sheet, { behavior, dropped = [] }: Report): void {
  const changed = changedFiles(behavior?.summary, dropped);
  sheet.heading('Files', changed.length);
  if (changed.length === 0) sheet.quiet('No file was written, moved or deleted.');
  else {
    const rows = changed
      .slice(0, FILES)
      .map(([path, { actions }]) => [path, [...actions].slice(0, 8).join(', ')]);
    sheet.table(CHANGED, rows);
    sheet.rest(changed.length, FILES, 'behavior.summary');
  }
  if (dropped.length === 0) return;
  sheet.heading('Kept files', dropped.length);
  const rows = dropped.slice(0, DROPPED).map((file) => {
    const state = [file.deleted ? 'deleted' : '', file.complete ? '' : 'cut'].filter((word) => word !== '');
    return [
      file.filepath ?? file.name,
      [clip(file.type, 60), bytes(file.size), ...state].join(', '),
      file.sha256,
    ];
  });
  sheet.table(KEPT, rows);
  sheet.rest(dropped.length, DROPPED, 'dropped');
}
