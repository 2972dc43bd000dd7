import { OVER_REST, withClient } from '../../connection.js';
import { facts } from '../../facts.js';
import { formatSeconds, shortInstant } from '../../humane.js';
import { stateStyle, workerName } from '../../machine-text.js';
import { Operator } from '../../operator.js';
import type { Lane, MachineDetails } from '../../operator-answers.js';
import { machineNames, parse } from '../../options.js';
import { print, printJson } from '../../print.js';
import { styles, visible } from '../../text.js';

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('machine show', args, OVER_REST);
  const [name = ''] = machineNames('machine show', positionals, 1);
  return withClient(values, async ({ client }) => {
    const answer = await new Operator(client).machine(name);
    if (values.json === true) printJson(answer);
    else print(describe(answer.machine));
    return 0;
  });
}

function describe(machine: MachineDetails): string {
  const style = styles();
  const now = new Date();
  const { name, state, since, next_test: next, last_error: error, waiting } = machine;
  const title = `${style.bold(visible(name))}  ${stateStyle(style, state)(visible(state))}`;
  return facts(title, [
    ['since', since && shortInstant(since, now)],
    ['reason', machine.reason],
    ['next test', next && shortInstant(next, now)],
    ['task', machine.task_id === null ? null : String(machine.task_id)],
    ['wanted', machine.enabled ? 'enabled' : 'disabled'],
    ['worker', workerName(machine)],
    ['label', machine.label === name ? null : machine.label],
    ['platform', `${machine.platform}, ${machine.arch}`],
    ['tags', machine.tags.join(', ')],
    ['reserved', machine.reserved ? 'for tasks that name it or one of its tags' : null],
    ['machinery', machine.manager],
    ['last error', error && `${error.reason} (${shortInstant(error.at, now)})`],
    ['waiting', waiting === null ? 'not known: Redis does not answer' : waitingText(waiting)],
  ]);
}

function waitingText(lanes: readonly Lane[]): string {
  if (lanes.length === 0) return 'nothing that it could run';
  return lanes
    .map(({ lane, waiting, oldest_seconds: oldest }) => {
      const since = oldest === null ? '' : `, the oldest for ${formatSeconds(oldest)}`;
      return `${waiting} in ${lane}${since}`;
    })
    .join('; ');
}
