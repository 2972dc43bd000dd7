import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { homePaths } from '#config/home.js';
import { loadSettings } from '#config/settings.js';
import { openVirtualBoxLab } from '../../apps/worker/labs/virtualbox.js';
import type { FakeVirtualBox } from '../support/vboxmanage/install.js';
import { fakeHost } from '../support/vboxmanage/lab.js';

const patience = () => AbortSignal.timeout(50_000);

describe('the lab of VirtualBox machines', () => {
  let fake: FakeVirtualBox;
  let dir: string;

  beforeEach(async () => {
    fake = await fakeHost({ vm: { adapter: 'lo' } });
    dir = await mkdtemp(join(tmpdir(), 'vbox-lab-'));
  });

  afterEach(async () => {
    await fake[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  const open = async (cuckoo: string, virtualbox = '') => {
    const home = homePaths(dir);
    await mkdir(home.conf, { recursive: true });
    await mkdir(home.guests, { recursive: true });
    await writeFile(join(home.conf, 'cuckoo.conf'), cuckoo);
    await writeFile(
      join(home.conf, 'virtualbox.conf'),
      `[virtualbox]\npath = ${fake.path}\ninterface = lo\nmachines = win10\n${virtualbox}\n` +
        '[win10]\nlabel = cuckoo1\nip = 192.168.56.101\nsnapshot = clean\n',
    );
    const { settings } = await loadSettings(home.conf);
    return await openVirtualBoxLab(
      {
        ...{ home, settings, runDir: home.run, machines: undefined, namePrefix: '', mixed: false },
        ...{ log: () => undefined, onProgress: () => undefined },
      },
      patience(),
    );
  };

  const started = async (cuckoo: string) => {
    await using lab = await open(cuckoo);
    const [machine] = lab.machinery.machines;
    if (machine === undefined) throw new Error('a lab without its machine');
    await lab.machinery.start(machine, patience());
    return (await fake.vm('cuckoo1')).vrde;
  };

  test('screens are open when [remotecontrol] is enabled, on the loopback', async () => {
    expect(await started('[remotecontrol]\nenabled = yes')).toMatchObject({
      ...{ on: true, port: '5000-5050', address: '127.0.0.1' },
    });
  });

  test('else they are not', async () => {
    expect(await started('')).toMatchObject({ on: false });
  });

  test('remote control without ports is refused at start', async () => {
    await expect(open('[remotecontrol]\nenabled = yes', 'controlports =')).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('controlports in virtualbox.conf'),
    });
  });
});
