import { OVER_REST, withClient } from '../../connection.js';
import { parse, taskId } from '../../options.js';
import { print, printJson } from '../../print.js';

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('task cancel', args, OVER_REST);
  const id = taskId('task cancel', positionals);
  return withClient(values, async ({ client }) => {
    const answer = await client.cancel(id);
    if (values.json === true) printJson(answer);
    else print(`task ${id} is cancelled`);
    return 0;
  });
}
