import type { Report } from '#domain/report.js';
import { clip } from '../../text.js';
import { exitText, flatten } from '../html/processes.js';
import type { Sheet } from './sheet.js';
import { COLOR, LEADING, SIZE } from './style.js';

const NODES = 80;
/** Levels drawn as levels; deeper ones stand on the last. */
const DEPTH = 12;
const STEP = 12;

export function processes(sheet: Sheet, { behavior }: Report): void {
  const total = behavior?.processes.length ?? 0;
  sheet.heading('Processes', total);
  if (behavior === undefined || total === 0) {
    sheet.quiet('No process was traced.');
    return;
  }
  const known = new Map(behavior.processes.map((process) => [process.procid, process]));
  const start = Math.min(...behavior.processtree.slice(0, NODES).map((node) => node.first_seen));
  let shown = 0;
  for (const { node, depth } of flatten(behavior.processtree)) {
    if (shown === NODES) break;
    shown++;
    const indent = Math.min(depth, DEPTH) * STEP;
    const command = { font: 'mono', size: SIZE.code, indent: indent + 4, color: COLOR.soft } as const;
    sheet.need(SIZE.text * LEADING + SIZE.code * LEADING);
    const top = sheet.y;
    const x = sheet.left + indent;
    const [name = ''] = sheet.lines(clip(node.process_name, 60), {
      font: 'bold',
      width: sheet.width - indent - 150,
    });
    sheet.line(name, x, top, { font: 'bold' });
    const after = Math.max(0, node.first_seen - start).toFixed(1);
    const facts = `${node.pid}   ${exitText(known.get(node.procid))}   +${after} s`;
    const beside = x + sheet.widthOf(name, 'bold', SIZE.text) + 8;
    sheet.line(facts, beside, top + 1, { size: SIZE.small, color: COLOR.soft });
    sheet.y = top + SIZE.text * LEADING;
    sheet.text(clip(node.command_line, 240), command);
    sheet.space(2);
  }
  sheet.rest(total, shown, 'behavior.processtree');
}
