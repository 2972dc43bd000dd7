import { closeSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FakeHost, FakeVm } from './model.js';

/** Holds state.json, state.lock and calls.log: what VBoxSVC, the server behind every VBoxManage, would remember. */
const folder = process.env['VBOX_USER_HOME'] ?? '.';
const state = join(folder, 'state.json');
const lock = join(folder, 'state.lock');

/** Reads the state as it is now, lets `change` look at it or change it, and keeps it. Nobody else does meanwhile. */
export function withHost<T>(change: (host: FakeHost) => T): T {
  takeLock();
  try {
    const host = JSON.parse(readFileSync(state, 'utf8')) as FakeHost;
    for (const vm of host.machines) comeTrue(vm, Date.now());
    const result = change(host);
    writeFileSync(`${state}.new`, JSON.stringify(host));
    renameSync(`${state}.new`, state);
    return result;
  } finally {
    rmSync(lock, { force: true });
  }
}

export function recordCall(argv: readonly string[]): void {
  const { LC_ALL: locale = null } = process.env;
  writeFileSync(join(folder, 'calls.log'), `${JSON.stringify({ argv, locale })}\n`, { flag: 'a' });
}

export function setState(vm: FakeVm, next: FakeVm['state']): void {
  vm.state = next;
  vm.changed = Date.now();
}

function comeTrue(vm: FakeVm, now: number): void {
  const due = vm.pending.filter(({ at }) => at <= now);
  vm.pending = vm.pending.filter(({ at }) => at > now);
  for (const { at, state: next, session } of due.toSorted((a, b) => a.at - b.at)) {
    if (session !== undefined) vm.session = session;
    if (session === 'Unlocked' || session === 'Unlocking') vm.frontend = '';
    if (next === undefined) continue;
    vm.state = next;
    vm.changed = at;
  }
}

function takeLock(): void {
  for (;;) {
    try {
      closeSync(openSync(lock, 'wx'));
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      dropIfDead();
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    }
  }
}

/**
 * Whoever was killed while it had the lock does not give it back. Told by its age: process numbers mean nothing, some
 * of us run in other namespaces.
 */
function dropIfDead(): void {
  try {
    if (Date.now() - statSync(lock).mtimeMs > DEAD_MS) rmSync(lock, { force: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error; // given back just now
  }
}

/** The lock is held for milliseconds. */
const DEAD_MS = 5_000;
