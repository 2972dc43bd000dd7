import { SandboxError } from '#domain/errors.js';
import { TASK_STATUSES } from '#domain/task.js';
import type { TaskBody } from '../../answers.js';
import { OVER_REST, withClient } from '../../connection.js';
import { formatSeconds, shortDate } from '../../humane.js';
import { noArguments, parse, wholeNumber } from '../../options.js';
import { print, printJson } from '../../print.js';
import { lineWidth, table, type Column } from '../../table.js';
import { shownTarget, statusStyle } from '../../task-text.js';
import { styles } from '../../text.js';

const OPTIONS = {
  ...OVER_REST,
  status: { type: 'string' },
  owner: { type: 'string' },
  limit: { type: 'string' },
  offset: { type: 'string' },
} as const;

/** Rows that a person, or one JSON document, is given unasked. */
const DEFAULT_LIMIT = 100;
const MAX_ROWS = 999_999_999;

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('task list', args, OPTIONS);
  noArguments('task list', positionals);
  const { status, owner } = values;
  if (status !== undefined && !TASK_STATUSES.some((known) => known === status)) {
    throw new SandboxError(
      'USAGE',
      `--status takes ${TASK_STATUSES.join(', ')}, not ${JSON.stringify(status)}`,
    );
  }
  const limit = wholeNumber('limit', values.limit, { min: 1, max: MAX_ROWS }) ?? DEFAULT_LIMIT;
  const offset = wholeNumber('offset', values.offset, { min: 0, max: MAX_ROWS }) ?? 0;
  return withClient(values, async ({ client, progress }) => {
    // One more than wanted tells whether there are more.
    const answer = await client.list({ status, owner, limit: limit + 1, offset });
    const tasks = answer.tasks.slice(0, limit);
    if (values.json === true) printJson({ ...answer, tasks });
    else if (tasks.length === 0) progress.say('no tasks');
    else print(table(columns(new Date()), tasks, lineWidth()));
    if (answer.tasks.length > limit)
      progress.say(`more tasks follow: --offset ${offset + limit}, or a larger --limit`);
    return 0;
  });
}

function columns(now: Date): readonly Column<TaskBody>[] {
  const style = styles();
  return [
    { title: 'ID', cell: ({ id }) => String(id), align: 'right' },
    { title: 'STATUS', cell: ({ status }) => status, style: ({ status }) => statusStyle(style, status) },
    { title: 'ADDED', cell: (task) => shortDate(task.added_on, now) },
    {
      title: 'RAN',
      cell: ({ duration = -1 }) => (duration < 0 ? '' : formatSeconds(duration)),
      align: 'right',
    },
    { title: 'MACHINE', cell: ({ guest, machine }) => guest.name ?? machine ?? '' },
    { title: 'OWNER', cell: ({ owner }) => owner ?? '' },
    { title: 'TARGET', cell: shownTarget },
  ];
}
