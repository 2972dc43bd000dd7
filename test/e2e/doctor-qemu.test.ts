import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Finding } from '../../apps/finding.js';
import { doctorHome, findings } from '../support/doctor.js';
import { takeSnapshot } from '../support/operator-snapshot.js';
import { ownQemuLab, type OwnQemuLab } from '../support/own-qemu-lab.js';

/** The guest's image may have to be built, and a guest boots for half a minute on a busy host. */
jest.setTimeout(600_000);

describe('doctor and machines of qemu.conf', () => {
  let lab: OwnQemuLab;
  beforeAll(async () => {
    lab = await ownQemuLab(AbortSignal.timeout(590_000));
    const mark = { marker: 'malware', at: lab.spareAt };
    await takeSnapshot(lab.machine('sound'), 'clean', mark, AbortSignal.timeout(120_000));
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  test('one that works, one never prepared, one with a snapshot and one with a disk that are not there', async () => {
    const { image, kernel, initrd } = lab.machine('sound');
    const section = (name: string, ip: string, changes: Readonly<Record<string, string>>): string => {
      const common = { ip, image, kernel, initrd, memory: '256M', options: 'virtio' };
      const keys = Object.entries({
        ...common,
        resultserver_ip: '10.0.2.2',
        resultserver_port: '2042',
        ...changes,
      });
      return `[${name}]\n${keys.map(([key, value]) => `${key} = ${value}`).join('\n')}\n`;
    };
    await using home = await doctorHome({ 'cuckoo.conf': '[cuckoo]\nmachinery = qemu\n' });
    await writeFile(
      join(home.dir, 'conf/qemu.conf'),
      [
        '[qemu]\nmachines = sound, fresh, old, gone\n',
        section('sound', '10.0.2.15', { snapshot: 'clean' }),
        section('fresh', '10.0.2.16', {}),
        section('old', '10.0.2.17', { snapshot: 'monday' }),
        section('gone', '10.0.2.18', { image: join(home.dir, 'gone.qcow2') }),
      ].join(''),
    );
    const found = await findings({ home: home.dir });
    const of = (name: string): readonly Finding[] => found.filter(({ machine }) => machine === name);
    const fault = (name: string) => of(name).find(({ status }) => status === 'fail');

    expect(of('sound').map(({ check, status }) => `${check} ${status}`)).toEqual([
      'hypervisor ok',
      'restore ok',
      'start ok',
      'agent port ok',
      'agent ok',
      'result server ok',
      'clock ok',
      'stop ok',
    ]);
    expect(fault('fresh')?.found).toContain('malkoha machine prepare fresh');
    expect(fault('old')?.found).toContain('monday');
    expect(fault('gone')?.found).toContain(join(home.dir, 'gone.qcow2'));
  });
});
