import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { relative } from 'node:path';
import { loadSettings } from './settings.js';

const folder = (name: string) => fileURLToPath(new URL(`../../test/fixtures/conf/${name}`, import.meta.url));

async function load(name: string) {
  const { settings, warnings } = await loadSettings(folder(name));
  return { settings, notes: warnings.map((note) => relative(folder(name), note)) };
}

describe('files as other sandboxes ship them load as they are', () => {
  test('Cuckoo 2.0.7', async () => {
    const { settings, notes } = await load('cuckoo-2.0.7');
    expect(settings.cuckoo).toMatchObject({
      cuckoo: { machinery: 'virtualbox', reschedule: false, rooter: '/tmp/cuckoo-rooter' },
      resultserver: { ip: '192.168.56.1', port: 2042 },
      timeouts: { default: 120, critical: 60, vm_state: 60 },
    });
    expect(settings.virtualbox).toEqual({
      ...{ mode: 'headless', path: '/usr/bin/VBoxManage', interface: 'vboxnet0', controlports: '5000-5050' },
      host: '',
      machines: [
        {
          ...{
            name: 'cuckoo1',
            label: 'cuckoo1',
            platform: 'windows',
            arch: 'x64',
            tags: [],
            reserved: false,
          },
          ...{ ip: '192.168.56.101', snapshot: null, interface: 'vboxnet0', options: [], agentPort: 8000 },
          resultServer: { ip: '192.168.56.1', port: 2042 },
        },
      ],
    });
    expect(settings.kvm).toMatchObject({
      ...{ dsn: 'qemu:///system', loadvm: false },
      machines: [{ ip: '192.168.122.101', interface: 'virbr0' }],
    });
    expect(settings.qemu.machines).toMatchObject([
      { name: 'vm1', arch: 'x64', memory: 1024, kernel: '', resultServer: { ip: '192.168.55.1' } },
      { name: 'vm2', arch: 'mipsel', memory: 512, kernel: '{imagepath}/vmlinux-3.2.0-4-4kc-malta-mipsel' },
      { name: 'vm3', arch: 'arm', memory: 256, resultServer: { ip: '192.168.56.1' }, interface: 'qemubr' },
    ]);
    expect(settings.routing).toMatchObject({ route: 'none', none: 'drop', internet: null, vpns: [] });
    expect(settings.auxiliary.sniffer).toEqual({ enabled: true, tcpdump: '/usr/sbin/tcpdump', bpf: '' });
    expect(settings.processing).toEqual({ off: [] });
    expect(settings.reporting).toEqual({ indent: 4, calls: true });
    expect(notes).toEqual([
      'virtualbox.conf:41: [honeyd] is not named in [virtualbox] machines and has no effect',
    ]);
  });

  test('Cuckoo 1.2', async () => {
    const { settings, notes } = await load('cuckoo-1.x');
    expect(settings.cuckoo.timeouts).toMatchObject({ critical: 600, vm_state: 300 });
    expect(settings.virtualbox).toMatchObject({ mode: 'gui', machines: [{ snapshot: null }] });
    expect(settings.auxiliary.sniffer.bpf).toBe('not arp');
    expect(notes).toEqual([
      'auxiliary.conf:5: [sniffer] interface: No effect: each machine says its own.',
      'processing.conf:32: [virustotal] enabled: No effect: nothing about a sample is sent to others.',
      'processing.conf:34: [virustotal] key: No effect: nothing about a sample is sent to others.',
      'reporting.conf:9: [mmdef] is not a known section',
      'reporting.conf:12: [maec41] is not a known section',
    ]);
  });

  test('CAPE', async () => {
    const { settings, notes } = await load('cape');
    expect(settings.cuckoo).toMatchObject({
      cuckoo: { machinery: 'kvm', freespace: 50000, max_machines_count: 10 },
      resultserver: { ip: '192.168.1.1', upload_max_size: 100000000 },
    });
    expect(settings.kvm.machines).toMatchObject([{ arch: 'x86' }]);
    expect(settings.virtualbox.mode).toBe('gui');
    expect(settings.auxiliary.sniffer).toEqual({
      enabled: true,
      tcpdump: '/usr/bin/tcpdump',
      bpf: 'not arp',
    });
    expect(settings.routing).toMatchObject({ autoRt: false, inetsim: { dnsport: 53, interface: 'virbr1' } });
    expect(notes).toEqual([]);
  });
});
