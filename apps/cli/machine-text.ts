import type { MachineState } from './operator-answers.js';
import type { styles } from './text.js';

/** Green takes the next task, red does not until somebody or something mends it, yellow is at work. */
export function stateStyle(
  { dim, red, yellow, green }: ReturnType<typeof styles>,
  state: string,
): (text: string) => string {
  if (state === 'ready' || state === 'free') return green;
  if (state === 'quarantined') return red;
  return state === 'disabled' ? dim : yellow;
}

/** `lab`, or `lab2 on host7` when its worker was given a name of its own. */
export function workerName({ worker }: Pick<MachineState, 'worker'>): string {
  if (worker === null) return '';
  return worker.name === worker.host ? worker.name : `${worker.name} on ${worker.host}`;
}

/** `linux1 (leased by task 7)` */
export function whatItDoes({ name, state, task_id: task }: MachineState): string {
  return `${name} (${state}${task === null ? '' : ` by task ${task}`})`;
}

/** `3 ready, 1 leased`: the states that any machine is in. */
export function countsOf(byState: Readonly<Record<string, number>>): string {
  const some = Object.entries(byState).filter(([, count]) => count > 0);
  return some.map(([state, count]) => `${count} ${state}`).join(', ');
}
