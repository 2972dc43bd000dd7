import type { NodeMachine } from '#nodes/node.js';

/** What a node is given to analyse for a check: the bytes of a file, or a URL. */
export interface Harmless {
  readonly target: string;
  /** Null for a URL. */
  readonly content: string | null;
}

/** What prints one line and ends; where no script runs, a page that is nowhere, so that nothing is called. */
export function harmlessFor(platform: string): Harmless {
  if (platform === 'linux')
    return { target: 'malkoha-check.sh', content: '#!/bin/sh\necho a check of malkoha\n' };
  if (platform === 'windows')
    return { target: 'malkoha-check.bat', content: '@echo off\r\necho a check of malkoha\r\n' };
  // RFC 2606: no name below .invalid ever exists.
  return { target: 'http://malkoha-check.invalid/', content: null };
}

const BEST = ['linux', 'windows'];

/** One that any task may have, of a platform that runs a script; null: there are no machines. */
export function pickMachine(machines: readonly NodeMachine[]): NodeMachine | null {
  const cost = ({ platform, reserved }: NodeMachine) =>
    (reserved ? BEST.length + 1 : 0) + (BEST.includes(platform) ? BEST.indexOf(platform) : BEST.length);
  return [...machines].sort((a, b) => cost(a) - cost(b))[0] ?? null;
}
