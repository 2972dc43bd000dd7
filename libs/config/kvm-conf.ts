import type { OwnMachine } from '#domain/machine.js';
import { bool, matching, splitList, type Section } from './field.js';
import type { Findings } from './findings.js';
import {
  INTERFACE,
  INTERFACE_WORDS,
  machineFields,
  sectionNames,
  readMachines,
  type ResultServerAddress,
} from './machine-conf.js';
import { readConf, type ConfSource } from './read-conf.js';

/** conf/kvm.conf: machines that libvirt runs. */
export const KVM_CONF = {
  kvm: {
    dsn: matching(
      'qemu:///system',
      /^[a-z][a-z0-9+.-]*:\/\/\S*$/i,
      'an address of libvirt such as qemu:///system or qemu+ssh://user@host/system',
      'The libvirt that runs the machines.',
    ),
    interface: matching('virbr0', INTERFACE, INTERFACE_WORDS, 'Bridge of machines that do not say theirs.'),
    machines: sectionNames('kvm', '', 'Machines: each is a section [<name>] of its own. Empty: none.'),
    loadvm: bool(
      false,
      "Restore a machine in place after a task, by the loadvm of QEMU's monitor: faster than libvirt's revert, but libvirt\ncounts it as tampering and does not see it. What broke out into its QEMU stays there.",
    ),
  },
} as const satisfies Record<string, Section>;

export const KVM_MACHINE = machineFields('windows');

export interface KvmSettings {
  readonly dsn: string;
  readonly interface: string;
  readonly loadvm: boolean;
  readonly machines: readonly OwnMachine[];
}

export function kvmSettings(
  source: ConfSource,
  resultServer: ResultServerAddress,
  findings: Findings,
): KvmSettings {
  const conf = readConf(source, { schema: KVM_CONF }, findings);
  const { machines: names, ...kvm } = conf.values.kvm;
  const options = {
    section: 'kvm',
    names: splitList(names),
    schema: KVM_MACHINE,
    interface: kvm.interface,
    resultServer,
  };
  const machines = readMachines(source.file, conf, options, findings);
  return { ...kvm, machines: machines.map(({ machine }) => machine) };
}
