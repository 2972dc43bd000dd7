import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { homePaths } from '#config/home.js';
import { loadSettings } from '#config/settings.js';
import { openLab } from '../../apps/worker/open-lab.js';
import type { FakeVirtualBox } from '../support/vboxmanage/install.js';
import { fakeHost } from '../support/vboxmanage/lab.js';

const patience = () => AbortSignal.timeout(30_000);

/** Two workers whose configuration names the same machine: the second is refused when it registers. */
describe('a lab whose machine another worker runs', () => {
  let fake: FakeVirtualBox;
  let dir: string;

  beforeEach(async () => {
    fake = await fakeHost({
      vm: { adapter: 'lo', state: 'running', session: 'Locked', frontend: 'headless' },
    });
    dir = await mkdtemp(join(tmpdir(), 'second-lab-'));
  });

  afterEach(async () => {
    await rm(dir, { recursive: true });
    await fake[Symbol.asyncDispose]();
  });

  const opened = async () => {
    const home = homePaths(dir);
    for (const folder of [home.conf, home.guests, home.run]) await mkdir(folder, { recursive: true });
    const machine = '[win10]\nlabel = cuckoo1\nplatform = windows\nip = 127.0.0.11\nsnapshot = clean\n';
    const box = `[virtualbox]\npath = ${fake.path}\ninterface = lo\nmachines = win10\n${machine}`;
    await writeFile(join(home.conf, 'virtualbox.conf'), box);
    await writeFile(join(home.conf, 'cuckoo.conf'), '[resultserver]\nip = 127.0.0.1\nport = 0\n');
    const { settings } = await loadSettings(home.conf);
    const quiet = { log: () => undefined, onProgress: () => undefined };
    return await openLab({ home, settings, machinery: 'virtualbox', ...quiet }, patience());
  };

  test('leaves it running when it is closed without having begun', async () => {
    await using lab = await opened();
    await lab[Symbol.asyncDispose]();
    expect(await fake.vm('cuckoo1')).toMatchObject({ state: 'running', session: 'Locked' });
  });

  test('stops it when it begins', async () => {
    await using lab = await opened();
    lab.pool.begin();
    const wants = { machine: null, platform: null, arch: null, tags: [] };
    await using _lease = await lab.pool.acquire(wants, patience());
    expect(await fake.vm('cuckoo1')).toMatchObject({ state: 'saved', session: 'Unlocked' });
  });
});
