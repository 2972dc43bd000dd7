import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Findings } from './findings.js';
import { readTexts } from './layers.js';
import { loadSettings, settingsOf } from './settings.js';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'malkoha-layers-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

async function write(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(home, name)), { recursive: true });
    await writeFile(join(home, name), text);
  }
}

/** Each layer sets its own key and all that come after it. */
const LAYERS = [
  'conf/default/cuckoo.conf.default',
  'conf/cuckoo.conf',
  'conf/cuckoo.conf.d/10.conf',
  'conf/cuckoo.conf.d/20.conf',
  'custom/conf/cuckoo.conf',
  'custom/conf/cuckoo.conf.d/a.conf',
];

test('CAPE’s layers: the later wins', async () => {
  for (const [index, name] of LAYERS.entries()) {
    await write({ [name]: `[timeouts]\ndefault = ${100 + index}\n` });
    const { settings } = await loadSettings(join(home, 'conf'));
    expect(settings.cuckoo.timeouts.default).toBe(100 + index);
  }
  await write({ 'conf/cuckoo.conf.d/99.conf.off': '[timeouts]\ndefault = 7' });
  expect((await loadSettings(join(home, 'conf'))).settings.cuckoo.timeouts.default).toBe(105);
});

test('a machine may be spread over layers; an error names the file it is in', async () => {
  await write({
    'conf/default/kvm.conf.default': '[kvm]\nmachines = a\n[a]\nlabel = a\nip = 10.0.0.2\nunheard = of\n',
    'custom/conf/kvm.conf': '[kvm]\nmachines = a,b\n',
    'custom/conf/kvm.conf.d/b.conf': '# mine\n[b]\nip = 10.0.0.3\nagent_port = nine\n',
  });
  const findings = new Findings();
  const settings = settingsOf(join(home, 'conf'), await readTexts(join(home, 'conf')), findings);
  expect(findings.problems).toEqual([
    {
      file: join(home, 'custom/conf/kvm.conf.d/b.conf'),
      line: 4,
      text: '[b] agent_port = "nine": expected a whole number from 1 to 65535',
    },
  ]);
  // What another sandbox ships was not written by anyone here.
  expect(findings.notes).toEqual([]);
  expect(settings.kvm.machines.map(({ name, ip }) => [name, ip])).toEqual([
    ['a', '10.0.0.2'],
    ['b', '10.0.0.3'],
  ]);
  await expect(loadSettings(join(home, 'conf'))).rejects.toThrow('b.conf:4: [b] agent_port');
});

test('machinery that runs side by side has no two machines of one name', async () => {
  const machine = (kind: string) => `[${kind}]\nmachines = a\n[a]\nip = 10.0.0.2\n`;
  await write({ 'conf/kvm.conf': machine('kvm'), 'conf/virtualbox.conf': machine('virtualbox') });
  await loadSettings(join(home, 'conf'));
  await write({ 'conf/cuckoo.conf': '[cuckoo]\nmachinery = kvm, virtualbox' });
  await expect(loadSettings(join(home, 'conf'))).rejects.toThrow(
    'kvm.conf and virtualbox.conf have a machine of the name a each',
  );
});

test('nor two guests of one address, unless one has a network of its own', async () => {
  const qemu = (at: string) => `[qemu]\nmachines = b\n[b]\nip = 10.0.0.2\nimage = /b\ninterface = ${at}\n`;
  const kvm = '[kvm]\nmachines = a\n[a]\nip = 10.0.0.2\n';
  await write({ 'conf/cuckoo.conf': '[cuckoo]\nmachinery = qemu, kvm', 'conf/kvm.conf': kvm });
  await write({ 'conf/qemu.conf': qemu('user') });
  await loadSettings(join(home, 'conf'));
  await write({ 'conf/qemu.conf': qemu('qemubr') });
  await expect(loadSettings(join(home, 'conf'))).rejects.toThrow(
    'qemu.conf and kvm.conf have a machine of the ip 10.0.0.2 each',
  );
});
