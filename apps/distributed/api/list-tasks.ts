import type { DistTaskRow } from '#distribution/entities/dist-task.entity.js';
import type { Context } from '../context.js';
import type { ListQuery } from './list-query.js';
import type { TaskViews } from './task-view.js';

/** Tasks that are in memory at once, however many are listed. */
const PAGE = 500;

export type Pages = AsyncGenerator<readonly DistTaskRow[], undefined>;

/** By id, each task at most once, whatever becomes of others meanwhile. */
export async function* pagesOf(
  { tasks }: Context,
  { offset = 0, limit = Infinity, ...filter }: ListQuery,
): Pages {
  let [after, left] = [0, limit];
  while (left > 0) {
    const most = Math.min(PAGE, left);
    const page = await tasks.list({ ...filter, after, limit: most, ...(after === 0 && { offset }) });
    if (page.length > 0) yield page;
    const last = page.at(-1);
    if (last === undefined || page.length < most) return;
    after = last.id;
    left -= page.length;
  }
}

/** `{"tasks": {"<id>": Task, …}}`, page by page; `first` is the page before `pages`. */
export async function* tasksJson(
  views: TaskViews,
  first: IteratorResult<readonly DistTaskRow[], undefined>,
  pages: Pages,
): AsyncGenerator<string> {
  yield views.api ? '{"success":true,"tasks":{' : '{"tasks":{';
  let comma = '';
  for (let page = first; !page.done; page = await pages.next()) {
    const members = (await views.of(page.value)).map((view) => `"${view.id}":${JSON.stringify(view)}`);
    yield comma + members.join(',');
    comma = ',';
  }
  yield '}}';
}
