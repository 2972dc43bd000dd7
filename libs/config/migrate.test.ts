import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { Findings, told } from './findings.js';
import { migrate } from './migrate.js';
import { settingsOf } from './settings.js';

function migrated(version: string) {
  const folder = new URL(`../../test/fixtures/conf/${version}/`, import.meta.url);
  const given = new Map(
    readdirSync(folder).map((name) => [
      name.replace('.conf', ''),
      readFileSync(new URL(name, folder), 'utf8'),
    ]),
  );
  const { files, changes } = migrate(given);
  const findings = new Findings();
  const texts = new Map([...files].map(([name, text]) => [`/c/${name}.conf`, text]));
  const settings = settingsOf('/c', texts, findings);
  return {
    given,
    files,
    changes,
    settings,
    problems: findings.problems.map(told),
    notes: findings.notes.map(told),
  };
}

describe('files of old versions', () => {
  test('0.4: time limits and the sniffer were in [cuckoo]', () => {
    const { files, changes, settings, problems } = migrated('cuckoo-0.4');
    expect(problems).toEqual([]);
    expect(settings.cuckoo).toMatchObject({
      cuckoo: { machinery: 'kvm' },
      timeouts: { default: 100, critical: 500, vm_state: 200 },
    });
    expect(settings.auxiliary.sniffer).toMatchObject({ enabled: true, tcpdump: '/usr/local/sbin/tcpdump' });
    expect(settings.kvm).toMatchObject({
      interface: 'virbr5',
      machines: [{ label: 'WinXP', interface: 'virbr5' }],
    });
    expect(files.get('cuckoo')).toBe(`[cuckoo]
# Seconds a sample runs.
# now [timeouts] default: analysis_timeout = 100

# Seconds until it is ended by force.
# now [timeouts] critical: critical_timeout = 500

delete_original = off

# The driver of the machines.
machinery = kvm

# now auxiliary.conf [sniffer] enabled: use_sniffer = on
# now auxiliary.conf [sniffer] tcpdump: tcpdump = /usr/local/sbin/tcpdump
# now auxiliary.conf [sniffer] interface: interface = virbr5
# now [processing] analysis_size_limit: analysis_size_limit = 104857600

[timeouts]
default = 100
critical = 500
vm_state = 200

[processing]
analysis_size_limit = 104857600
`);
    expect(changes).toContain('cuckoo.conf: [cuckoo] machine_manager is called machinery');
    expect(changes).toContain('auxiliary.conf: [sniffer] interface is now kvm.conf [kvm] interface');
  });

  test('1.2: the sniffer’s interface was that of all machines', () => {
    const { settings, problems, changes } = migrated('cuckoo-1.x');
    expect(problems).toEqual([]);
    expect(settings.virtualbox).toMatchObject({
      interface: 'vboxnet1',
      machines: [{ interface: 'vboxnet1' }],
    });
    expect(changes).toEqual([
      'auxiliary.conf: [sniffer] interface is now virtualbox.conf [virtualbox] interface',
    ]);
  });

  test('2.0-rc2: routes were in cuckoo.conf and vpn.conf', () => {
    const { files, changes } = migrate(
      new Map([
        ['cuckoo', '[cuckoo]\nmachinery = kvm\n[routing]\n# mine\nroute = vpn0\ninternet = eth0\n'],
        ['vpn', '[vpn]\nenabled = yes\nvpns = vpn0\nauto_rt = no\n\n[vpn0]\nname = vpn0\ninterface = tun0\n'],
        ['qemu', '[vm1]\nkernel_path = /k # x\n'],
      ]),
    );
    expect([...files.keys()]).toEqual(['cuckoo', 'qemu', 'routing']);
    expect(files.get('routing')).toBe(
      '[routing]\nauto_rt = no\nroute = vpn0\ninternet = eth0\n\n[vpn]\nenabled = yes\nvpns = vpn0\n\n[vpn0]\nname = vpn0\ninterface = tun0\n',
    );
    expect(files.get('cuckoo')).toBe(
      '[cuckoo]\nmachinery = kvm\n[routing]\n# mine\n# now routing.conf [routing] route: route = vpn0\n# now routing.conf [routing] internet: internet = eth0\n',
    );
    expect(files.get('qemu')).toBe('[vm1]\nkernel = /k # x\n');
    expect(changes).toContain('vpn.conf is part of routing.conf');
  });

  test('sections with names that are not accepted are renamed; the hypervisor’s name of the machine stays', () => {
    const { files, changes } = migrate(
      new Map([
        [
          'virtualbox',
          '[virtualbox]\nmachines = Windows 7,ok, Windows_7, Win 10 (x64) ; mine\n' +
            '[Windows 7] ; old\n# c\nip = 1.1.1.1\n[ok]\nip = 1.1.1.2\n[Windows_7]\nip = 1.1.1.3\n' +
            '[Win 10 (x64)]\nlabel = win10\nip = 1.1.1.4\n',
        ],
        ['qemu', '[qemu]\nmachines = 7, b c\n[7]\nimage = /x\n'],
      ]),
    );
    expect(files.get('virtualbox')).toBe(
      '[virtualbox]\nmachines = Windows_7_2, ok, Windows_7, Win_10_x64 ; mine\n' +
        '[Windows_7_2] ; old\n# c\nip = 1.1.1.1\nlabel = Windows 7\n[ok]\nip = 1.1.1.2\n[Windows_7]\nip = 1.1.1.3\n' +
        '[Win_10_x64]\nlabel = win10\nip = 1.1.1.4\n',
    );
    // There is no section [b c]: that is for the operator to see to.
    expect(files.get('qemu')).toBe('[qemu]\nmachines = vm_7, b c\n[vm_7]\nimage = /x\nlabel = 7\n');
    expect(changes).toEqual([
      'qemu.conf: [7] is called [vm_7]; its label is 7',
      'virtualbox.conf: [Windows 7] is called [Windows_7_2]; its label is Windows 7',
      'virtualbox.conf: [Win 10 (x64)] is called [Win_10_x64]; its label is win10',
    ]);
  });

  test.each(['cuckoo-2.0.7', 'cape'])(
    '%s: only the database and the socket of the other are left',
    (version) => {
      const { given, files, problems } = migrated(version);
      expect(problems).toEqual([]);
      for (const [name, text] of files) {
        const before = given.get(name)?.split('\n') ?? [];
        const changed = text.split('\n').filter((line, at) => line !== before[at]);
        expect(
          changed.every((line) => /^# not imported, the (database|socket) of the other sandbox: /.test(line)),
        ).toBe(true);
        const most = version === 'cape' ? { cuckoo: 2, distributed: 1 } : { cuckoo: 1 };
        expect(changed.length).toBe(new Map(Object.entries(most)).get(name) ?? 0);
      }
    },
  );

  test('a distributed.conf keeps nothing that would write where the other one does', () => {
    const lines = [
      '[distributed]',
      'database = mysql://x',
      'samples_directory = /s',
      'reports_directory = /r',
    ];
    const { files, changes } = migrate(new Map([['distributed', [...lines, 'interval = 30'].join('\n')]]));
    expect(
      files
        .get('distributed')
        ?.split('\n')
        .filter((line) => !line.startsWith('#')),
    ).toEqual(['[distributed]', 'interval = 30']);
    expect(changes).toHaveLength(3);
  });
});
