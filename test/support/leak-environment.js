import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { TestEnvironment } from 'jest-environment-node';

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

/**
 * Runs around every test file: what a test leaves behind fails the file it is in. Each file gets a temporary folder of
 * its own, so that leftovers are its own; tests see a copy of the environment and os.tmpdir() reads the real one, so
 * it is set in both. The look is after all hooks of the file.
 */
export default class LeakEnvironment extends TestEnvironment {
  async setup() {
    await super.setup();
    this.outer = process.env.TMPDIR;
    this.own = mkdtempSync(join(tmpdir(), 'mk-'));
    chmodSync(this.own, 0o711); // machines run as another user and must reach their own folder below it
    process.env.TMPDIR = this.global.process.env.TMPDIR = this.own;
  }

  async teardown() {
    if (this.outer === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = this.outer;
    rmSync(this.own, { recursive: true, force: true });
    await super.teardown();
  }

  async handleTestEvent({ name }, { unhandledErrors }) {
    if (name === 'run_start') this.before = { children: children(), handles: handles() };
    if (name !== 'run_finish') return;
    const end = Date.now() + GRACE_MS;
    while (Date.now() < end && this.left().length > 0) await sleep(50);
    const left = this.left();
    // Beside what the tests themselves say: a test that failed may have had no time to clear up.
    if (left.length > 0) unhandledErrors.push(`the tests of this file leave behind:\n${left.join('\n')}`);
  }

  /** One line each. */
  left() {
    return [
      ...more(children(), this.before.children).map((child) => `the process ${child}`),
      ...more(handles(), this.before.handles).map((handle) => `the handle ${handle}`),
      ...readdirSync(this.own).map((name) => `the temporary file or folder ${name}`),
    ];
  }
}

function handles() {
  return process.getActiveResourcesInfo().filter((name) => WATCHED.includes(name));
}

/** Direct children as the kernel lists them: `pid (name)`. */
function children() {
  return readdirSync('/proc/self/task').flatMap((task) => {
    try {
      const pids = readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Boolean);
      return pids.map((pid) => `${pid} (${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()})`);
    } catch {
      return []; // the thread or the child ended while we looked
    }
  });
}

/** Those of `now` that were not there before: as often as they are more. */
function more(now, before) {
  const known = [...before];
  return now.filter((name) => {
    const at = known.indexOf(name);
    if (at === -1) return true;
    known.splice(at, 1);
    return false;
  });
}
