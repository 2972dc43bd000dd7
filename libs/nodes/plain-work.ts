import type { Work } from './node.js';

/** A URL, or with `file` a file of that name, and nothing asked for. */
export function plainWork(work: Pick<Work, 'mark' | 'target'> & Partial<Work>): Work {
  return {
    ...{ file: null, package: null, timeout: 0, priority: 1, options: null },
    ...{ machine: null, platform: null, arch: null, tags: [], custom: null },
    ...{ memory: false, enforceTimeout: false, clock: null },
    ...work,
  };
}
