import type { Node } from './node-answers.js';
import type { styles } from './text.js';

export type NodeState = 'ready' | 'away' | 'disabled' | 'held';

/**
 * - `away`: it does not answer, and is given nothing until it does
 * - `held`: its mode is not `normal`: it is given only tasks that name it
 */
export function nodeState({ enabled, mode, last_error: error }: Node): NodeState {
  if (!enabled) return 'disabled';
  if (error != null) return 'away';
  return mode === 'normal' ? 'ready' : 'held';
}

export function nodeStyle(
  { dim, red, yellow, green }: ReturnType<typeof styles>,
  state: NodeState,
): (text: string) => string {
  return { ready: green, away: red, held: yellow, disabled: dim }[state];
}

/** `2 waiting, 4 running`: what it has of ours. */
export function tasksOn({ tasks }: Node): string {
  if (tasks === undefined) return '';
  const some = [
    [tasks.assigned, 'waiting'],
    [tasks.processing, 'there'],
  ] as const;
  return some
    .filter(([count]) => count > 0)
    .map(([count, what]) => `${count} ${what}`)
    .join(', ');
}

/** `3 machines` */
export function machineCount({ machines }: Node): string {
  return machines.length === 1 ? '1 machine' : `${machines.length} machines`;
}
