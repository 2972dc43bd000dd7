import type { NewTask } from './lab.js';

/** The n-th task that somebody else submitted. */
export function foreignTask(n: number): NewTask {
  return {
    mark: null,
    category: 'url',
    target: `http://foreign.example/${n}`,
    sample: null,
    fields: {},
    owner: 'somebody else',
    machine: null,
    platform: null,
    arch: null,
    tags: [],
    priority: 1,
  };
}
