import type { MachineBody } from '../../answers.js';
import { OVER_REST, withClient } from '../../connection.js';
import { shortDate } from '../../humane.js';
import { noArguments, parse } from '../../options.js';
import { print, printJson } from '../../print.js';
import { lineWidth, table, type Column } from '../../table.js';
import { styles } from '../../text.js';

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('machine list', args, OVER_REST);
  noArguments('machine list', positionals);
  return withClient(values, async ({ client, progress }) => {
    const answer = await client.machines();
    if (values.json === true) printJson(answer);
    else if (answer.machines.length === 0) progress.say('no machines: no worker has registered any');
    else print(table(columns(new Date()), answer.machines, lineWidth()));
    return 0;
  });
}

function columns(now: Date): readonly Column<MachineBody>[] {
  const { yellow, green } = styles();
  return [
    { title: 'NAME', cell: ({ name }) => name },
    { title: 'PLATFORM', cell: ({ platform }) => platform },
    {
      title: 'USE',
      cell: ({ locked }) => (locked ? 'busy' : 'free'),
      style: ({ locked }) => (locked ? yellow : green),
    },
    { title: 'SINCE', cell: ({ locked_changed_on: since }) => (since == null ? '' : shortDate(since, now)) },
    { title: 'STATE', cell: ({ status }) => status ?? '' },
    { title: 'IP', cell: ({ ip }) => ip },
    { title: 'SNAPSHOT', cell: ({ snapshot }) => snapshot ?? '' },
    { title: 'TAGS', cell: ({ tags }) => tags.join(', ') },
  ];
}
