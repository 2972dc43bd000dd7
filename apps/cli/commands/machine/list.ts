import { OVER_REST, withClient } from '../../connection.js';
import { shortInstant } from '../../humane.js';
import { stateStyle, workerName } from '../../machine-text.js';
import { Operator } from '../../operator.js';
import type { MachineState } from '../../operator-answers.js';
import { noArguments, parse } from '../../options.js';
import { print, printJson } from '../../print.js';
import { lineWidth, table, type Column } from '../../table.js';
import { styles } from '../../text.js';

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('machine list', args, OVER_REST);
  noArguments('machine list', positionals);
  return withClient(values, async ({ client, progress }) => {
    const answer = await new Operator(client).machines();
    if (values.json === true) printJson(answer);
    else if (answer.machines.length === 0) progress.say('no machines: no worker has registered any');
    else print(table(columns(new Date()), answer.machines, lineWidth()));
    return 0;
  });
}

function columns(now: Date): readonly Column<MachineState>[] {
  const style = styles();
  return [
    { title: 'NAME', cell: ({ name }) => name },
    { title: 'PLATFORM', cell: ({ platform }) => platform },
    { title: 'ARCH', cell: ({ arch }) => arch },
    { title: 'STATE', cell: ({ state }) => state, style: ({ state }) => stateStyle(style, state) },
    { title: 'SINCE', cell: ({ since }) => (since === null ? '' : shortInstant(since, now)) },
    { title: 'TASK', cell: ({ task_id: task }) => (task === null ? '' : String(task)), align: 'right' },
    { title: 'WORKER', cell: workerName },
    { title: 'RESERVED', cell: ({ reserved }) => (reserved ? 'yes' : '') },
    { title: 'TAGS', cell: ({ tags }) => tags.join(', ') },
    { title: 'NEXT TEST', cell: ({ next_test: next }) => (next === null ? '' : shortInstant(next, now)) },
    { title: 'REASON', cell: ({ reason }) => reason ?? '' },
  ];
}
