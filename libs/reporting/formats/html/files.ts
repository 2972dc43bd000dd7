import type { BehaviorSummary, DroppedFile, Report } from '#domain/report.js';
import { bytes, rest, ROWS, section, table } from './lists.js';
import { cut, html, type Markup, type Part } from './markup.js';

interface Seen {
  readonly actions: Set<string>;
  dropped?: DroppedFile;
}

function collect(
  summary: BehaviorSummary | undefined,
  dropped: readonly DroppedFile[],
): ReadonlyMap<string, Seen> {
  const files = new Map<string, Seen>();
  const at = (path: string): Seen => {
    const seen = files.get(path) ?? { actions: new Set<string>() };
    files.set(path, seen);
    return seen;
  };
  for (const path of summary?.file_created ?? []) at(path).actions.add('created');
  for (const path of summary?.file_written ?? []) at(path).actions.add('written');
  for (const [from, to] of summary?.file_moved ?? []) {
    at(from).actions.add('moved away');
    at(to).actions.add('moved here');
  }
  for (const [path, mode] of summary?.file_chmod ?? []) at(path).actions.add(`mode ${mode.slice(0, 8)}`);
  for (const path of summary?.file_executed ?? []) if (files.has(path)) at(path).actions.add('executed');
  for (const path of summary?.file_deleted ?? []) at(path).actions.add('deleted');
  for (const file of dropped) {
    const seen = at(file.filepath ?? file.name);
    seen.dropped = file;
    if (file.deleted) seen.actions.add('deleted');
  }
  return files;
}

/** Files something happened to, kept ones first; those only read would drown them and are in report.json. */
export function changedFiles(
  summary: BehaviorSummary | undefined,
  dropped: readonly DroppedFile[],
): readonly (readonly [path: string, seen: Seen])[] {
  return [...collect(summary, dropped)].sort(
    ([a, x], [b, y]) => Number(y.dropped !== undefined) - Number(x.dropped !== undefined) || (a < b ? -1 : 1),
  );
}

function kept(file: DroppedFile | undefined): Part {
  if (file === undefined) return html`<span class="quiet">not kept</span>`;
  const partly = file.complete ? null : html` <span class="kind">cut</span>`;
  return html`${cut(file.type, 120)}, ${bytes(file.size)}${partly}<br /><code class="hash"
      >${file.sha256}</code
    >`;
}

const LOUD = new Set(['deleted', 'executed']);

function row([path, { actions, dropped }]: readonly [string, Seen]): Part[] {
  return [
    html`<code>${cut(path)}</code>`,
    [...actions]
      .slice(0, 8)
      .map((each) => html`<span class="kind${LOUD.has(each) ? ' loud' : ''}">${each}</span> `),
    kept(dropped),
  ];
}

export function files({ behavior, dropped = [] }: Report): Markup {
  const all = changedFiles(behavior?.summary, dropped);
  const body =
    all.length === 0
      ? html`<p class="quiet">No file was written, moved or deleted.</p>`
      : [
          table(['Path', 'What happened', 'Kept as'], all.slice(0, ROWS).map(row)),
          rest(all.length, ROWS, 'behavior.summary'),
        ];
  return section('files', 'Files', all.length, body);
}
