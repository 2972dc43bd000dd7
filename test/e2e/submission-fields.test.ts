import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { z } from 'zod';
import type { TaskFile } from '#domain/artifacts.js';
import type { Report } from '#domain/report.js';
import { makeHome, start, type Home, type Running } from '../support/malkoha.js';

/** The guest may have to be built, and everything runs emulated. */
jest.setTimeout(600_000);

/** Bytes of RAM of a default guest. */
const RAM = 512 << 20;
const DAY = 86_400;

/** Says what it sees of the time, here and out there, and of how it was started. */
const LOOK = `#!/bin/sh
date '+date %Y-%m-%d %H:%M'
echo "epoch $(date +%s)"
echo made > /tmp/made.txt
stat -c 'file %y' /tmp/made.txt | cut -c1-21
rm /tmp/made.txt /home/alice/Documents/meeting-notes.md
echo "user $(id -un)"
for word; do echo "word $word"; done
echo kestrel-marker-$((40 + 2)) > /dev/shm/marker
curl -sI -m 20 http://clock.example.test/ | grep ^Date:
curl -s -m 20 -o /dev/null https://clock.example.test/ && echo https works
python3 -c '
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(20)
s.sendto(bytes([0x1b]) + bytes(47), ("time.example.test", 123))
print("ntp", struct.unpack("!I", s.recv(48)[40:44])[0] - 2208988800)'
`;
const SLEEP = '#!/bin/sh\nsleep 600\n';
const QUICK = '#!/bin/sh\necho quick\n';

interface Ended {
  readonly status: string;
  readonly errors: readonly string[];
  /** The analysis folder. */
  readonly dir: string;
  /** Empty when the task never ran. */
  readonly file: TaskFile;
  /** Empty when it was not made. */
  readonly report: Report;
  /** Text of an artefact; '' when it is not there. */
  readonly text: (name: string) => Promise<string>;
}

let home: Home;
let daemon: Running;
/** What every test looks into, submitted at once so that two machines do not wait. */
let ids: Readonly<Record<string, number>>;

const accepted = z.object({ task_id: z.int() });
const viewed = z.object({ task: z.object({ status: z.string(), errors: z.array(z.string()) }) });

async function create(
  what: { readonly script: string; readonly name?: string } | { readonly url: string },
  fields: Readonly<Record<string, string>> = {},
): Promise<number> {
  const form = new FormData();
  if ('url' in what) form.append('url', what.url);
  else form.append('file', new Blob([what.script]), what.name ?? 'look.sh');
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  const path = 'url' in what ? 'url' : 'file';
  const answer = await fetch(`${home.url}/tasks/create/${path}`, { method: 'POST', body: form });
  return accepted.parse(await answer.json()).task_id;
}

async function ended(name: string): Promise<Ended> {
  const id = ids[name] ?? 0;
  for (;;) {
    const answer = await fetch(`${home.url}/tasks/view/${id}?wait=30`);
    const { task } = viewed.parse(await answer.json());
    if (['pending', 'running', 'completed'].includes(task.status)) continue;
    const dir = join(home.dir, 'storage/analyses', String(id));
    const text = (path: string) => readFile(join(dir, path), 'utf8').catch(() => '');
    return {
      ...task,
      dir,
      text,
      file: JSON.parse((await text('task.json')) || '{}') as TaskFile,
      report: JSON.parse((await text('reports/report.json')) || '{}') as Report,
    };
  }
}

/** What LOOK printed after `key`. */
function said(stdout: string, key: string): string {
  return new RegExp(`^${key} (.*?)\\r?$`, 'm').exec(stdout)?.[1] ?? '';
}

async function holds(path: string, text: string): Promise<boolean> {
  let tail = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { highWaterMark: 8 << 20 })) {
    const bytes = Buffer.concat([tail, chunk as Buffer]);
    if (bytes.includes(text)) return true;
    tail = bytes.subarray(-text.length);
  }
  return false;
}

describe('each field of a submission', () => {
  beforeAll(async () => {
    // A clock is a local time, whose zone must not matter: the guest's is UTC, so the host's is another.
    process.env['TZ'] = 'Asia/Kolkata';
    home = await makeHome();
    daemon = start(home, 'up', '--machines', '2');
    await daemon.said(/Malkoha is up/);
    const look = { script: LOOK };
    const quick = { script: QUICK };
    const enforced = await create(quick, { enforce_timeout: 'yes', timeout: '6', machine: 'linux2' });
    const cut = await create({ script: SLEEP }, { timeout: '6' });
    // Both machines are busy from here on.
    ids = {
      enforced,
      cut,
      ahead: await create(look, {
        clock: '03-04-2131 05:06:07',
        memory: 'yes',
        custom: 'case 7',
        options: 'arguments=one "two three",user=alice',
      }),
      behind: await create(look, { clock: '03-04-1999 05:06:07' }),
      now: await create(look),
      exe: await create(quick, { package: 'exe' }),
      reboot: await create(quick, { package: 'reboot' }),
      python: await create({ script: 'print("I am", 6 * 7)', name: 'notes.txt' }, { package: 'python' }),
      stranger: await create(quick, { options: 'user=bob' }),
      untraced: await create(quick, { options: 'free=yes,procmemdump=yes' }),
      elsewhere: await create(quick, { machine: 'linux7' }),
      windows: await create(quick, { platform: 'windows' }),
      tagged: await create(quick, { platform: 'linux', tags: 'x64' }),
      url: await create({ url: 'www.example.test/index.html' }),
      unopened: await create({ url: 'mailto://who@example.test' }),
      browser: await create({ url: 'http://www.example.test/' }, { package: 'ie' }),
      urgent: await create(quick, { priority: '9' }),
    };
  });
  afterAll(async () => {
    daemon.process.kill('SIGINT');
    await daemon.ended;
    await home[Symbol.asyncDispose]();
    delete process.env['TZ'];
  });

  test('clock: the guest, what it writes and whom it asks have the local time that was asked for', async () => {
    const { status, text, report, file } = await ended('ahead');
    const stdout = await text('logs/stdout.log');
    expect(status).toBe('reported');
    expect(said(stdout, 'date')).toMatch(/^2131-03-04 05:0[67]$/);
    expect(said(stdout, 'file')).toMatch(/^2131-03-04 05:0[67]$/);
    expect(said(stdout, 'Date:')).toMatch(/, 04 Mar 2131 05:0[67]:\d\d GMT$/);
    expect(stdout).toContain('https works');
    // NTP's seconds begin again in 2036.
    const epoch = Number(said(stdout, 'epoch'));
    expect((Number(said(stdout, 'ntp')) - epoch + 2 ** 33) % 2 ** 32).toBeLessThan(600);

    // The report tells the guest's time where it means it, and the host's elsewhere.
    expect(report.behavior?.processes[0]?.first_seen).toBeGreaterThan(epoch - 600);
    expect(report.info.ended).toBeLessThan(Date.now() / 1000 + 1);
    expect(file.guest?.clockAhead).toBeGreaterThan(100 * 365 * DAY);
    expect(report.malkoha.notes).toContainEqual(
      expect.stringMatching(/clock was set \d+ s ahead of the host/),
    );
    const curl = expect.objectContaining({ host: 'clock.example.test', process_name: 'curl' });
    expect(report.network?.http).toEqual([curl, curl]);
    expect(report.network?.udp).toContainEqual(
      expect.objectContaining({ dport: 123, process_name: 'python3' }),
    );
  });

  test('clock: years back, certificates still hold, and what the guest came with is not taken for the sample’s', async () => {
    const { status, text, report } = await ended('behind');
    const stdout = await text('logs/stdout.log');
    expect(status).toBe('reported');
    expect(said(stdout, 'date')).toMatch(/^1999-03-04 05:0[67]$/);
    expect(said(stdout, 'Date:')).toMatch(/, 04 Mar 1999 05:0[67]:\d\d GMT$/);
    expect(stdout).toContain('https works');
    expect(report.behavior?.summary.file_deleted).toContain('/home/alice/Documents/meeting-notes.md');
    expect(report.dropped?.map(({ filepath }) => filepath)).toEqual(['/tmp/made.txt', '/dev/shm/marker']);
    expect(report.malkoha.notes).toContainEqual(expect.stringMatching(/clock was set \d+ s behind the host/));
  });

  test('clock: not given, a restored guest has the host’s time all the same', async () => {
    const { file, text, report } = await ended('now');
    const stdout = await text('logs/stdout.log');
    const epoch = Number(said(stdout, 'epoch'));
    expect(epoch).toBeGreaterThanOrEqual(Math.floor(Date.parse(file.guest?.startedOn ?? '') / 1000));
    expect(epoch).toBeLessThanOrEqual(Math.ceil(Date.parse(file.guest?.shutdownOn ?? '') / 1000));
    expect(Math.abs(Number(said(stdout, 'ntp')) - epoch)).toBeLessThan(600);
    expect(file.guest?.clockAhead).toBe(0);
    expect(report.malkoha.notes).not.toContainEqual(expect.stringContaining('clock'));
  });

  test('memory: all of the guest’s memory as the sample left it, for the daemon’s eyes only', async () => {
    const { dir, file } = await ended('ahead');
    const path = join(dir, 'memory.dmp');
    const { size, mode } = await stat(path);
    expect(size).toBeGreaterThanOrEqual(RAM);
    expect(mode & 0o777).toBe(0o600);
    expect(file.phases['memory']).toBeGreaterThan(0);
    expect(await holds(path, 'kestrel-marker-42\n')).toBe(true);
    await expect(stat(join((await ended('now')).dir, 'memory.dmp'))).rejects.toMatchObject({
      code: 'ENOENT',
    });
  });

  test('enforce_timeout: the machine is kept for the whole time; without it the end comes with the last process', async () => {
    const kept = await ended('enforced');
    expect(kept.status).toBe('reported');
    expect(kept.file.phases['run']).toBeGreaterThanOrEqual(6000);
    expect(await kept.text('analysis.log')).toMatch(/ended with exit code 0\n[^]*time-out after 6 seconds/);
    expect(await (await ended('now')).text('analysis.log')).not.toContain('time-out');
  });

  test('timeout: the sample is ended after that many seconds', async () => {
    const { status, file, text } = await ended('cut');
    expect(status).toBe('reported');
    expect(file.phases['run']).toBeGreaterThanOrEqual(6000);
    expect(await text('analysis.log')).toContain('time-out after 6 seconds, ending the sample');
    expect(await text('logs/strace.log')).toContain('+++ killed by SIGKILL +++');
  });

  test('package: the one asked for runs the sample; one that is not there fails and names those that are', async () => {
    expect(await (await ended('python')).text('logs/stdout.log')).toBe('I am 42\n');
    for (const name of ['exe', 'reboot']) {
      const { status, errors } = await ended(name);
      expect(status).toBe('failed_analysis');
      expect(errors.join('\n')).toMatch(
        new RegExp(`no file with package "${name}"; choose one of generic, perl, python, sh, or none`),
      );
    }
  });

  test('options: arguments and user reach the sample; what the guest cannot do is said', async () => {
    const stdout = await (await ended('ahead')).text('logs/stdout.log');
    expect(stdout).toContain('user alice\nword one\nword two three\n');

    const stranger = await ended('stranger');
    expect(stranger.status).toBe('failed_analysis');
    expect(stranger.errors.join('\n')).toContain('no user "bob" in this guest; choose one of root, alice');

    const untraced = await ended('untraced');
    expect(untraced.status).toBe('reported');
    expect(untraced.report.behavior).toBeUndefined();
    expect(untraced.report.debug?.log).toContainEqual(
      expect.stringContaining('WARNING: the option procmemdump has no effect'),
    );
  });

  test('custom stays with the task and its report', async () => {
    expect((await ended('ahead')).report.info.custom).toBe('case 7');
  });

  test('machine, platform, tags: exactly that machine, one that fits, or the reason why there is none', async () => {
    expect((await ended('enforced')).file.guest?.name).toBe('linux2');
    expect((await ended('tagged')).status).toBe('reported');
    const elsewhere = await ended('elsewhere');
    expect(elsewhere.status).toBe('failed_analysis');
    expect(elsewhere.errors.join('\n')).toContain(
      'no machine of this lab is named "linux7" [NO_MATCHING_MACHINE]',
    );
    const windows = await ended('windows');
    expect(windows.status).toBe('failed_analysis');
    expect(windows.errors.join('\n')).toContain('no machine of this lab runs windows [NO_MATCHING_MACHINE]');
  });

  test('priority: submitted last, it runs before all that waited', async () => {
    const began = async (name: string) => Date.parse((await ended(name)).file.task.startedOn ?? '');
    const urgent = await began('urgent');
    for (const name of ['ahead', 'behind', 'now', 'python', 'tagged', 'url']) {
      expect(urgent).toBeLessThanOrEqual(await began(name));
    }
  });

  test('a URL is opened as a browser would, and the answer kept; one that cannot be opened is no success', async () => {
    const { status, report } = await ended('url');
    expect(status).toBe('reported');
    expect(report.network?.http).toContainEqual(
      expect.objectContaining({ uri: 'http://www.example.test/index.html', process_name: 'curl' }),
    );
    expect(report.dropped?.map(({ filepath }) => filepath)).toContain('/tmp/download');

    const unopened = await ended('unopened');
    expect(unopened.status).toBe('failed_analysis');
    expect(unopened.errors.join('\n')).toMatch(/URL cannot be opened in this guest: curl: \(1\) .*mailto/);
    const browser = await ended('browser');
    expect(browser.status).toBe('failed_analysis');
    expect(browser.errors.join('\n')).toContain(
      'package "ie" opens no URL in this guest; choose url, or none',
    );
  });
});
