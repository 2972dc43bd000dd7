import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect } from '@jest/globals';

/**
 * Runs around every test file: what a test leaves behind fails the file it is in. Each file gets a temp folder of
 * its own as os.tmpdir(), so that leftovers are its own.
 */
const outer = tmpdir();
const own = mkdtempSync(join(outer, 'mk-'));
chmodSync(own, 0o711); // machines run as another user and must reach their own folder below it
process.env['TMPDIR'] = own;

/** Things end a moment after they are told to. */
const GRACE_MS = 3000;
const WATCHED = [
  'TCPServerWrap',
  'TCPSocketWrap',
  'PipeServerWrap',
  'PipeWrap',
  'ProcessWrap',
  'UDPWrap',
  'MessagePort',
];

let before: ReturnType<typeof left>;

beforeAll(() => {
  before = left();
});

afterAll(async () => {
  const end = Date.now() + GRACE_MS;
  while (Date.now() < end && !clean()) await sleep(50);
  const now = left();
  rmSync(own, { recursive: true, force: true });
  process.env['TMPDIR'] = outer;
  expect({ children: now.children, temporary: now.temporary, handles: more(now.handles) }).toEqual({
    children: before.children,
    temporary: [],
    handles: [],
  });
});

function clean(): boolean {
  const now = left();
  return (
    now.children.length <= before.children.length &&
    now.temporary.length === 0 &&
    more(now.handles).length === 0
  );
}

function left(): { children: readonly string[]; temporary: readonly string[]; handles: readonly string[] } {
  const handles = process.getActiveResourcesInfo().filter((name) => WATCHED.includes(name));
  return { children: children(), temporary: readdirSync(own), handles };
}

/** Direct children as the kernel lists them: `pid (name)`. */
function children(): readonly string[] {
  return readdirSync('/proc/self/task').flatMap((task) => {
    try {
      const pids = readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Boolean);
      return pids.map((pid) => `${pid} (${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()})`);
    } catch {
      return []; // the thread or the child ended while we looked
    }
  });
}

/** Handles that were not there before the file's tests. */
function more(handles: readonly string[]): readonly string[] {
  const known = [...before.handles];
  return handles.filter((name) => {
    const at = known.indexOf(name);
    if (at === -1) return true;
    known.splice(at, 1);
    return false;
  });
}
