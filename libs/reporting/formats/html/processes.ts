import type { Process, ProcessNode, Report } from '#domain/report.js';
import { rest, section } from './lists.js';
import { cut, html, type Markup } from './markup.js';

/** Processes shown. */
const NODES = 400;
/** Levels shown as levels; deeper ones stand on the last. A guest may nest without end. */
const DEPTH = 24;
const COMMAND = 600;

/** Signals a reader knows by name. */
const SIGNALS: Readonly<Record<number, string>> = {
  2: 'SIGINT',
  4: 'SIGILL',
  6: 'SIGABRT',
  8: 'SIGFPE',
  9: 'SIGKILL',
  11: 'SIGSEGV',
  13: 'SIGPIPE',
  15: 'SIGTERM',
  31: 'SIGSYS',
};

/** How a process ended; '' when nobody knows the process. */
export function exitText(process: Process | undefined): string {
  if (process === undefined) return '';
  const code = process.exit_code;
  if (code === null) return 'still running';
  return code >= 0 ? `exit ${code}` : (SIGNALS[-code] ?? `signal ${-code}`);
}

function exit(process: Process | undefined): Markup {
  if (process === undefined) return html``;
  const code = process.exit_code;
  const kind = code === null ? ' running' : code === 0 ? '' : ' failed';
  return html`<span class="exit${kind}">${exitText(process)}</span>`;
}

export interface Row {
  readonly node: ProcessNode;
  readonly depth: number;
}

/** In the order of the tree, without recursion. */
export function* flatten(roots: readonly ProcessNode[]): Generator<Row> {
  const pending: Row[] = [...roots].reverse().map((node) => ({ node, depth: 0 }));
  for (let row = pending.pop(); row !== undefined; row = pending.pop()) {
    yield row;
    const { children } = row.node;
    for (let i = children.length - 1; i >= 0; i--) {
      const node = children[i];
      if (node !== undefined) pending.push({ node, depth: row.depth + 1 });
    }
  }
}

function line({ node, depth }: Row, process: Process | undefined, start: number): Markup {
  const deep = depth > DEPTH ? html` <small class="cut">level ${depth}</small>` : null;
  return html`<li class="d${Math.min(depth, DEPTH)}">
    <div class="process">
      <span class="pname">${cut(node.process_name, 60)}</span> <small>${node.pid}</small> ${exit(process)}
      <small class="at">+${Math.max(0, node.first_seen - start).toFixed(1)} s</small>${deep}
    </div>
    <code class="command">${cut(node.command_line, COMMAND)}</code>
  </li> `;
}

export function processes({ behavior, info }: Report): Markup {
  const total = behavior?.processes.length ?? 0;
  if (behavior === undefined || total === 0) {
    return section('processes', 'Processes', 0, html`<p class="quiet">No process was traced.</p>`);
  }
  const known = new Map(behavior.processes.map((process) => [process.procid, process]));
  const start = Math.min(...behavior.processtree.slice(0, NODES).map((node) => node.first_seen), Infinity);
  const lines: Markup[] = [];
  for (const row of flatten(behavior.processtree)) {
    if (lines.length === NODES) break;
    lines.push(line(row, known.get(row.node.procid), Number.isFinite(start) ? start : info.started));
  }
  return section('processes', 'Processes', total, [
    html`<ul class="tree">
      ${lines}
    </ul>`,
    rest(total, lines.length, 'behavior.processtree'),
  ]);
}
