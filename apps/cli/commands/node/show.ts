import { OVER_REST, withController } from '../../connection.js';
import { facts } from '../../facts.js';
import { shortDate } from '../../humane.js';
import type { Node } from '../../node-answers.js';
import { NodeOperator } from '../../node-operator.js';
import { nodeState, nodeStyle, tasksOn } from '../../node-text.js';
import { nodeNames, parse } from '../../options.js';
import { print, printJson } from '../../print.js';
import { styles, visible } from '../../text.js';

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('node show', args, OVER_REST);
  const [name = ''] = nodeNames('node show', positionals, 1);
  return withController(values, async ({ client }) => {
    const node = await new NodeOperator(client).get(name);
    if (values.json === true) printJson({ node });
    else print(describe(node));
    return 0;
  });
}

function describe(node: Node): string {
  const style = styles();
  const now = new Date();
  const { name, url, dialect, mode, last_seen: seen, last_error: error, retry_on: retry, machines } = node;
  const state = nodeState(node);
  const title = `${style.bold(visible(name))}  ${nodeStyle(style, state)(state)}`;
  return facts(title, [
    ['reason', error],
    ['next try', retry && shortDate(retry, now)],
    ['last seen', seen == null ? 'never' : shortDate(seen, now)],
    ['url', url],
    ['speaks', dialect],
    ['token', node.has_token === true ? 'has one' : null],
    [
      'mode',
      mode === 'normal' ? null : `${mode}: it is given only tasks that name it while it is not normal`,
    ],
    ['tasks', tasksOn(node) || 'none of ours'],
    ['machines', machines.length === 0 ? 'none: `malkoha node refresh` asks it again' : null],
    ...machines.map((machine) => ['machine', machineText(machine)] as const),
  ]);
}

function machineText({ name, platform, tags }: Node['machines'][number]): string {
  const what = [platform ?? '', ...tags].filter((word) => word !== '').join(', ');
  return what === '' ? name : `${name} (${what})`;
}
