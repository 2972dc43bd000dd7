import { OVER_REST, withClient } from '../../connection.js';
import { facts } from '../../facts.js';
import { formatSeconds } from '../../humane.js';
import { parse, taskId } from '../../options.js';
import { print, printJson } from '../../print.js';
import { styles, visible } from '../../text.js';

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('task explain', args, OVER_REST);
  const id = taskId('task explain', positionals);
  return withClient(values, async ({ client }) => {
    const why = await client.explain(id);
    if (values.json === true) {
      printJson(why);
      return 0;
    }
    const { position, ahead, machines } = why;
    const seconds = why.estimate?.start_in_seconds ?? null;
    const title = `${styles().bold(`task ${why.task_id}`)}  ${visible(`${why.status}: ${why.message}`)}`;
    print(
      facts(title, [
        ['reason', why.reason],
        ['lane', why.lane],
        ['position', position === null ? null : `${position}${ahead === null ? '' : ` (${ahead} ahead)`}`],
        ['machines', machines && `${machines.matching} match, ${machines.free} free`],
        ['attempts', why.attempts === undefined || why.attempts === 0 ? null : String(why.attempts)],
        ['outcome', why.outcome],
        ['last error', why.last_error],
        ['starts in', seconds === null ? null : `about ${formatSeconds(seconds)}`],
      ]),
    );
    return 0;
  });
}
