import { AUXILIARY_CONF } from './auxiliary-conf.js';
import { CUCKOO_CONF } from './cuckoo-conf.js';
import { DISTRIBUTED_CONF } from './distributed-conf.js';
import { FAKE_CONF, FAKE_MACHINES_DOC } from './fake-conf.js';
import type { Section } from './field.js';
import { KVM_CONF, KVM_MACHINE } from './kvm-conf.js';
import { MEMORY_CONF } from './memory-conf.js';
import { PROCESSING_CONF } from './processing-conf.js';
import { QEMU_CONF, QEMU_MACHINE } from './qemu-conf.js';
import type { Schema } from './read-conf.js';
import { renderConf, renderExample } from './render.js';
import { REPORTING_CONF } from './reporting-conf.js';
import { ROUTING_CONF, ROUTING_VPN } from './routing-conf.js';
import { TOKENS_DOC } from './tokens.js';
import { VIRTUALBOX_CONF, VIRTUALBOX_MACHINE } from './virtualbox-conf.js';

export interface ConfFile {
  readonly title: string;
  readonly schema: Schema;
  /** A section of a name of one's own. */
  readonly example?: { readonly intro: string; readonly name: string; readonly section: Section };
  /** What else its default says, in full. */
  readonly more?: string;
}

/** Every file of conf/, by its name without `.conf`. Adding one = its schema and a row here. */
export const CONF_FILES = {
  cuckoo: {
    title:
      'Malkoha: general settings. The keys are those of Cuckoo Sandbox; [queue], [artifacts], [api], [webhooks] and [tokens] are our own.',
    schema: CUCKOO_CONF,
    more: TOKENS_DOC,
  },
  qemu: {
    title: 'Malkoha: the machines that QEMU runs: the default guests, or machines of your own.',
    schema: QEMU_CONF,
    example: ownMachine('vm1', QEMU_MACHINE),
  },
  kvm: {
    title: 'Malkoha: machines of your own that libvirt runs.',
    schema: KVM_CONF,
    example: ownMachine('cuckoo1', KVM_MACHINE),
  },
  virtualbox: {
    title: 'Malkoha: machines of your own that VirtualBox runs.',
    schema: VIRTUALBOX_CONF,
    example: ownMachine('cuckoo1', VIRTUALBOX_MACHINE),
  },
  fake: {
    title: 'Malkoha: machines without a hypervisor. Their guests are scripted: no sample runs.',
    schema: FAKE_CONF,
    more: FAKE_MACHINES_DOC,
  },
  routing: {
    title: 'Malkoha: where the packets of machines of your own may go. `malkoha rooter` makes it so.',
    schema: ROUTING_CONF,
    example: { intro: 'A VPN is a section named in [vpn] vpns:', name: 'vpn0', section: ROUTING_VPN },
  },
  auxiliary: {
    title: 'Malkoha: what runs beside an analysis.',
    schema: AUXILIARY_CONF,
  },
  processing: {
    title: 'Malkoha: the sections of the report.',
    schema: PROCESSING_CONF,
  },
  reporting: {
    title: 'Malkoha: the files of the report.',
    schema: REPORTING_CONF,
  },
  memory: {
    title: "Malkoha: keys of Cuckoo's for memory. None has an effect.",
    schema: MEMORY_CONF,
  },
  distributed: {
    title:
      'Malkoha: one REST API before several nodes (`malkoha distributed`). The keys are those of Cuckoo and CAPE where they have\none; [nodes], [retention], [queue] and [tokens] are our own.',
    schema: DISTRIBUTED_CONF,
    more: TOKENS_DOC,
  },
} as const satisfies Record<string, ConfFile>;

export type ConfName = keyof typeof CONF_FILES;

export const CONF_NAMES = Object.keys(CONF_FILES) as readonly ConfName[];

/** The default file: every key with its default and what it accepts, all commented out. */
export function defaultFile(name: ConfName): string {
  const { title, schema, example, more }: ConfFile = CONF_FILES[name];
  const parts = [
    renderConf(title, schema),
    ...(example ? [renderExample(example.intro, example.name, example.section)] : []),
    ...(more === undefined ? [] : [more]),
  ];
  return parts.join('\n');
}

function ownMachine(name: string, section: Section): NonNullable<ConfFile['example']> {
  return { intro: 'A machine is a section named in `machines`:', name, section };
}
