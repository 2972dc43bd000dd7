import type { Requirements } from '#domain/machine.js';

/** A canonical name for "needs the same of a machine": tasks of one lane are served in one order. */
export type Lane = string;

export const DEFAULT_LANE: Lane = 'default';

/**
 * The lane of a task's requirements. All machines are equal so far (the default guest), so every task shares one
 * lane; a worker that cannot serve a task refuses it when it is claimed.
 */
export function laneOf(_wants: Requirements): Lane {
  return DEFAULT_LANE;
}

/** Lanes a host with these machines listens on. */
export function lanesServed(): readonly Lane[] {
  return [DEFAULT_LANE];
}
