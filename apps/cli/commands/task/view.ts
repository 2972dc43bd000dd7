import type { TaskBody } from '../../answers.js';
import { OVER_REST, withClient } from '../../connection.js';
import { facts } from '../../facts.js';
import { formatBytes, formatSeconds } from '../../humane.js';
import { parse, taskId } from '../../options.js';
import { print, printJson } from '../../print.js';
import { shownTarget, statusStyle } from '../../task-text.js';
import { styles } from '../../text.js';

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('task view', args, OVER_REST);
  const id = taskId('task view', positionals);
  return withClient(values, async ({ client }) => {
    const task = await client.view(id);
    if (values.json === true) printJson({ task });
    else print(describe(task));
    return 0;
  });
}

function describe(task: TaskBody): string {
  const style = styles();
  const { sample = {}, guest, duration = -1 } = task;
  const options = typeof task.options === 'string' ? task.options : null;
  const switches = [task.memory ? 'memory' : '', task.enforce_timeout ? 'enforce-timeout' : ''];
  const title = `${style.bold(`task ${task.id}`)}  ${statusStyle(style, task.status)(task.status)}`;
  return facts(title, [
    ['target', shownTarget(task)],
    ['sha256', sample.sha256],
    ['type', sample.file_type],
    ['size', sample.file_size === undefined ? undefined : formatBytes(sample.file_size)],
    ['added', task.added_on],
    ['started', task.started_on],
    ['completed', task.completed_on],
    ['ran', duration < 0 ? undefined : formatSeconds(duration)],
    ['machine', guest.name ?? task.machine],
    ['platform', task.platform],
    ['tags', task.tags.join(', ')],
    ['route', task.route],
    ['package', task.package],
    ['options', options],
    ['timeout', task.timeout === 0 ? undefined : formatSeconds(task.timeout)],
    ['priority', task.priority === 1 ? undefined : String(task.priority)],
    ['with', switches.filter((name) => name !== '').join(', ')],
    ['owner', task.owner],
    ['custom', task.custom],
    ...task.errors.map((error) => ['error', error] as const),
  ]);
}
