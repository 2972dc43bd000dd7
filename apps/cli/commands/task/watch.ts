import type { TaskEvent } from '../../answers.js';
import { OVER_REST, withClient } from '../../connection.js';
import { clockTime, formatMs } from '../../humane.js';
import { parse, taskId } from '../../options.js';
import { print, printJsonLine } from '../../print.js';
import { taskEvents } from '../../task-events.js';
import { failureOf, statusStyle } from '../../task-text.js';
import { styles, visible } from '../../text.js';

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('task watch', args, OVER_REST);
  const id = positionals.length === 0 ? null : taskId('task watch', positionals);
  return withClient(values, async ({ client, signal, progress }) => {
    if (id === null) progress.say('watching all tasks; Ctrl-C ends it');
    for await (const event of taskEvents(client, id, signal)) {
      if (values.json === true) printJsonLine(event);
      else print(line(event));
    }
    const failure = id === null ? null : failureOf(await client.view(id));
    if (failure === null) return 0;
    process.stderr.write(`malkoha: task ${id}: ${visible(failure)}\n`);
    return 1;
  });
}

/** `09:46:41  task 7    start        62.1 ms` */
function line({ at, task, kind, status, phase, ms, machine }: TaskEvent): string {
  const style = styles();
  const what =
    status === undefined
      ? visible(`${(phase ?? kind).padEnd(10)} ${ms === undefined ? '' : formatMs(ms).padStart(9)}`).trimEnd()
      : statusStyle(style, status)(status);
  const where = machine === undefined ? '' : visible(`  ${machine}`);
  const whose = task === undefined ? '' : `task ${task}`;
  return `${style.dim(clockTime(at))}  ${whose.padEnd(9)}  ${what}${where}`;
}
