import { SandboxError } from '#domain/errors.js';
import { OVER_REST, withClient } from '../../connection.js';
import { shortDate } from '../../humane.js';
import { Operator } from '../../operator.js';
import type { FailedTask } from '../../operator-answers.js';
import { noArguments, parse, wholeNumber } from '../../options.js';
import { print, printJson } from '../../print.js';
import { lineWidth, table, type Column } from '../../table.js';
import { styles } from '../../text.js';

const OPTIONS = {
  ...OVER_REST,
  outcome: { type: 'string' },
  since: { type: 'string' },
  limit: { type: 'string' },
} as const;

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1000;

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('task failed', args, OPTIONS);
  noArguments('task failed', positionals);
  const { outcome, since } = values;
  const limit = wholeNumber('limit', values.limit, { min: 1, max: MAX_LIMIT }) ?? DEFAULT_LIMIT;
  const query = {
    limit: String(limit),
    ...(outcome !== undefined && { outcome }),
    ...(since !== undefined && { since: String(unixTime(since)) }),
  };
  return withClient(values, async ({ client, progress }) => {
    const answer = await new Operator(client).failed(query);
    if (values.json === true) printJson(answer);
    else if (answer.tasks.length === 0) progress.say('no failed tasks');
    else print(table(columns(new Date()), answer.tasks, lineWidth()));
    if (answer.next_cursor !== null) progress.say('older ones follow: a larger --limit, or the REST API');
    return 0;
  });
}

/** Seconds. @throws USAGE */
function unixTime(text: string): number {
  const time = Date.parse(text);
  if (!Number.isNaN(time)) return Math.floor(time / 1000);
  throw new SandboxError(
    'USAGE',
    `--since takes a date and time such as "2026-12-24 18:00:00", not ${JSON.stringify(text)}`,
  );
}

function columns(now: Date): readonly Column<FailedTask>[] {
  const { red } = styles();
  return [
    { title: 'ID', cell: ({ id }) => String(id), align: 'right' },
    { title: 'STATUS', cell: ({ status }) => status, style: () => red },
    { title: 'OUTCOME', cell: ({ outcome }) => outcome ?? '' },
    { title: 'ENDED', cell: ({ completed_on: ended }) => (ended === null ? '' : shortDate(ended, now)) },
    { title: 'RUNS', cell: ({ attempts }) => String(attempts), align: 'right' },
    { title: 'MACHINES', cell: ({ machines }) => machines.join(', ') },
    { title: 'REASON', cell: ({ reason }) => reason ?? '' },
  ];
}
