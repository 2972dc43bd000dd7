import type { OwnMachine } from '#domain/machine.js';
import { choice, matching, splitList, text, type Section } from './field.js';
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
import { parseSshUrl } from './ssh-url.js';

/** conf/virtualbox.conf: machines that VirtualBox runs. */
export const VIRTUALBOX_CONF = {
  virtualbox: {
    mode: choice('headless', ['gui'], 'Whether the machines have a window on the screen of the host.'),
    path: text('/usr/bin/VBoxManage', 'The program that controls VirtualBox.'),
    interface: matching(
      'vboxnet0',
      INTERFACE,
      INTERFACE_WORDS,
      'Host-only interface of machines that do not say theirs.',
    ),
    machines: sectionNames('virtualbox', '', 'Machines: each is a section [<name>] of its own. Empty: none.'),
    controlports: matching(
      '5000-5050',
      /^(\d{1,5}(-\d{1,5})?)?$/,
      'a port or a range such as 5000-5050',
      'TCP ports for the screens of machines, when [remotecontrol] of cuckoo.conf is enabled.',
    ),
    host: {
      ...text('', 'Another host that runs VirtualBox, reached by ssh. Empty: this one.'),
      accepted: 'empty or ssh://<user>@<host>[:<port>]',
      parse: (value: string) => (value === '' || parseSshUrl(value) !== null ? value : undefined),
    },
  },
} as const satisfies Record<string, Section>;

export const VIRTUALBOX_MACHINE = machineFields('windows');

export interface VirtualBoxSettings {
  readonly mode: 'headless' | 'gui';
  readonly path: string;
  readonly interface: string;
  /** A port, or first and last of a range. */
  readonly controlports: string;
  /** Empty: this host; else ssh://user@host[:port]. */
  readonly host: string;
  readonly machines: readonly OwnMachine[];
}

export function virtualboxSettings(
  source: ConfSource,
  resultServer: ResultServerAddress,
  findings: Findings,
): VirtualBoxSettings {
  const conf = readConf(source, { schema: VIRTUALBOX_CONF }, findings);
  const { machines: names, ...virtualbox } = conf.values.virtualbox;
  const options = {
    section: 'virtualbox',
    names: splitList(names),
    schema: VIRTUALBOX_MACHINE,
    interface: virtualbox.interface,
    resultServer,
  };
  const machines = readMachines(source.file, conf, options, findings);
  return { ...virtualbox, machines: machines.map(({ machine }) => machine) };
}
