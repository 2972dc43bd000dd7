import { OVER_REST, withController } from '../../connection.js';
import { NodeOperator } from '../../node-operator.js';
import { nodeNames, parse } from '../../options.js';
import { print, printJson } from '../../print.js';
import { visible } from '../../text.js';

const OPTIONS = { ...OVER_REST, force: { type: 'boolean' } } as const;

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('node remove', args, OPTIONS);
  const [name = ''] = nodeNames('node remove', positionals, 1);
  return withController(values, async ({ client }) => {
    const operator = new NodeOperator(client);
    await operator.get(name);
    const failed = await operator.remove(name, values.force === true ? { force: '1' } : {});
    if (values.json === true) printJson({ removed: name, failed });
    else print(`${visible(name)} is removed; finished tasks and their reports stay${told(failed)}`);
    return 0;
  });
}

function told(failed: number): string {
  if (failed === 0) return '';
  return `; ${failed === 1 ? 'a task that was' : `${failed} tasks that were`} to run there only failed`;
}
