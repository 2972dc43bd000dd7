import { OVER_REST, withController } from './connection.js';
import { NodeOperator } from './node-operator.js';
import { nodeNames, parse } from './options.js';
import { print, printJson } from './print.js';
import { visible } from './text.js';

/** `malkoha node VERB NAME…`; `work` returns what is said of a node afterwards. */
export async function eachNode(
  verb: string,
  args: readonly string[],
  work: (operator: NodeOperator, name: string) => Promise<string>,
): Promise<number> {
  const { values, positionals } = parse(`node ${verb}`, args, OVER_REST);
  const names = nodeNames(`node ${verb}`, positionals);
  return withController(values, async ({ client }) => {
    const operator = new NodeOperator(client);
    // Before anything is changed: a misspelt name changes nothing.
    for (const name of names) await operator.get(name);
    for (const name of names) {
      const said = await work(operator, name);
      if (values.json !== true) print(`${visible(name)} ${said}`);
    }
    if (values.json === true) {
      const nodes = (await operator.list()).filter(({ name }) => names.includes(name));
      printJson({ nodes });
    }
    return 0;
  });
}
