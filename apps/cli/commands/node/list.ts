import { OVER_REST, withController } from '../../connection.js';
import { shortDate } from '../../humane.js';
import type { Node } from '../../node-answers.js';
import { NodeOperator } from '../../node-operator.js';
import { nodeState, nodeStyle, tasksOn } from '../../node-text.js';
import { noArguments, parse } from '../../options.js';
import { print, printJson } from '../../print.js';
import { lineWidth, table, type Column } from '../../table.js';
import { styles } from '../../text.js';

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('node list', args, OVER_REST);
  noArguments('node list', positionals);
  return withController(values, async ({ client, progress }) => {
    const nodes = await new NodeOperator(client).list();
    if (values.json === true) printJson({ nodes });
    else if (nodes.length === 0) progress.say('no nodes: `malkoha node add NAME URL` adds one');
    else print(table(columns(new Date()), nodes, lineWidth()));
    return 0;
  });
}

function columns(now: Date): readonly Column<Node>[] {
  const style = styles();
  const date = (text: string | null | undefined): string => (text == null ? '' : shortDate(text, now));
  return [
    { title: 'NAME', cell: ({ name }) => name },
    { title: 'STATE', cell: nodeState, style: (node) => nodeStyle(style, nodeState(node)) },
    { title: 'URL', cell: ({ url }) => url },
    { title: 'SPEAKS', cell: ({ dialect }) => dialect ?? '' },
    { title: 'MODE', cell: ({ mode }) => (mode === 'normal' ? '' : mode) },
    { title: 'MACHINES', cell: ({ machines }) => String(machines.length), align: 'right' },
    { title: 'TASKS', cell: tasksOn },
    { title: 'LAST SEEN', cell: ({ last_seen: seen }) => date(seen) },
    { title: 'NEXT TRY', cell: ({ retry_on: retry }) => date(retry) },
    { title: 'REASON', cell: ({ last_error: error }) => error ?? '' },
  ];
}
