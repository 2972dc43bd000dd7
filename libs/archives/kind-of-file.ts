import { closeSync, openSync, readSync } from 'node:fs';
import { containerKind, HEAD_BYTES, type ContainerKind } from './container.js';

/** What kind of container a file is, called `name` by whoever sent it; null: none. */
export function kindOfFile(file: string, name: string): ContainerKind | null {
  const fd = openSync(file, 'r');
  try {
    const head = Buffer.alloc(HEAD_BYTES);
    return containerKind(head.subarray(0, readSync(fd, head, 0, HEAD_BYTES, 0)), name);
  } finally {
    closeSync(fd);
  }
}
