import { bool, text, unused, unusedKeys, type Section, type Values } from './field.js';
import type { Findings } from './findings.js';
import { noteUnknown, readConf, type ConfSource } from './read-conf.js';

const ON_THIS_HOST = 'packets are captured on the host that the worker runs on.';

/** conf/auxiliary.conf: what runs beside an analysis. */
export const AUXILIARY_CONF = {
  sniffer: {
    enabled: bool(
      true,
      'Capture the packets of machines of your own. Those of the default guest are always kept.',
    ),
    tcpdump: text('/usr/sbin/tcpdump', 'The program that captures them.'),
    bpf: text(
      '',
      'What to capture besides what is left out anyway, in the words of pcap-filter(7), such as not arp.',
    ),
    interface: unused('', 'each machine says its own.', ['vboxnet0', 'virbr1']),
    remote: unused('no', ON_THIS_HOST),
    host: unused('', ON_THIS_HOST, ['root@192.168.122.1']),
  },
  mitm: unusedKeys('the built-in fake internet answers TLS itself.', {
    enabled: 'no',
    mitmdump: '/usr/local/bin/mitmdump',
    port_base: '50000',
    script: 'stuff/mitm.py',
    certificate: 'bin/cert.p12',
  }),
  replay: unusedKeys('traffic is not played back.', {
    enabled: 'yes',
    mitmdump: '/usr/local/bin/mitmdump',
    port_base: '51000',
    certificate: 'bin/cert.p12',
  }),
  services: unusedKeys('no machines are started for others; route=inetsim has the built-in fake internet.', {
    enabled: 'no',
    services: 'honeyd',
    timeout: '0',
  }),
  reboot: unusedKeys('the machine is thrown away after each analysis.', { enabled: 'yes' }),
  auxiliary_modules: guestModules(),
  AzSniffer: unusedKeys('machines are not in a cloud.', { enabled: 'no' }),
  QemuScreenshots: unusedKeys('screenshots are always taken.', { enabled: 'no' }),
  Mitmdump: unusedKeys('the built-in fake internet answers TLS itself.', { enabled: 'no' }),
  PolarProxy: unusedKeys('the built-in fake internet answers TLS itself.', { enabled: 'no' }),
} as const satisfies Record<string, Section>;

/** CAPE's switches for what its analyzer does inside the guest, with their defaults. */
function guestModules() {
  const on = ['browser', 'digisig', 'disguise', 'human_windows', 'screenshots_windows', 'screenshots_linux'];
  const more = ['tlsdump', 'usage', 'filecollector'];
  const off = [
    ...['curtain', 'evtx', 'human_linux', 'procmon', 'recentfiles', 'sysmon_windows', 'sysmon_linux'],
    ...['file_pickup', 'permissions', 'pre_script', 'during_script', 'tracee_linux', 'sslkeylogfile'],
    ...['browsermonitor', 'wmi_etw', 'dns_etw', 'amsi_etw', 'network_etw', 'watchdownloads'],
    'windows_static_route',
  ];
  return unusedKeys("what runs in the guest is its analyzer's to say, and the options of a task.", {
    ...Object.fromEntries([...on, ...more].map((name) => [name, 'yes'])),
    ...Object.fromEntries(off.map((name) => [name, 'no'])),
    windows_static_route_gateway: '192.168.1.1',
  });
}

export interface AuxiliarySettings {
  readonly sniffer: Pick<Values<typeof AUXILIARY_CONF.sniffer>, 'enabled' | 'tcpdump' | 'bpf'>;
}

export function auxiliarySettings(source: ConfSource, findings: Findings): AuxiliarySettings {
  const conf = readConf(source, { schema: AUXILIARY_CONF }, findings);
  const { gateways = null, ...others } = Object.fromEntries(conf.others);
  const [first] = gateways?.entries ?? [];
  if (first) findings.note(first, '[gateways] No effect: each machine says its own interface.');
  noteUnknown(AUXILIARY_CONF, new Map(Object.entries(others)), findings);
  const { enabled, tcpdump, bpf } = conf.values.sniffer;
  return { sniffer: { enabled, tcpdump, bpf } };
}
