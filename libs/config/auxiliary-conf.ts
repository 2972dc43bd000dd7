import { bool, text, unused, type Section, type Values } from './field.js';
import type { Findings } from './findings.js';
import { noteUnnamed, readConf, type ConfSource } from './read-conf.js';

const MITM = 'the built-in fake internet answers TLS itself.';

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
    interface: unused('', 'each machine says its own.', ['virbr1']),
    remote: unused('no', 'packets are captured on the host that the worker runs on.'),
    host: unused('', 'packets are captured on the host that the worker runs on.', ['root@192.168.122.1']),
  },
} as const satisfies Record<string, Section>;

export type AuxiliarySettings = {
  readonly sniffer: Pick<Values<typeof AUXILIARY_CONF.sniffer>, 'enabled' | 'tcpdump' | 'bpf'>;
};

export function auxiliarySettings(source: ConfSource, findings: Findings): AuxiliarySettings {
  const conf = readConf(source, { schema: AUXILIARY_CONF }, findings);
  const { enabled, tcpdump, bpf } = conf.values.sniffer;
  noteUnnamed(conf, [], MITM, findings);
  return { sniffer: { enabled, tcpdump, bpf } };
}
