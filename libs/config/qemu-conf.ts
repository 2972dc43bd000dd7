import type { OwnMachine } from '#domain/machine.js';
import {
  bool,
  choice,
  matching,
  mebibytes,
  splitList,
  text,
  unused,
  type Field,
  type Section,
} from './field.js';
import type { Findings } from './findings.js';
import {
  INTERFACE,
  machineFields,
  sectionNames,
  readMachines,
  type ReadMachine,
  type ResultServerAddress,
} from './machine-conf.js';
import { readConf, type ConfSource } from './read-conf.js';

/** conf/qemu.conf. `machines` is a number of default guests, or Cuckoo's list of sections that describe your own. */
export const QEMU_CONF = {
  qemu: {
    path: text(
      '/usr/bin/qemu-system-x86_64',
      'Program that runs machines of your own; those for other processors, and qemu-img, are looked for beside it, then on\nPATH. The default guest runs by the qemu-system-x86_64 on PATH.',
    ),
    machines: sectionNames(
      'qemu',
      'auto',
      'auto: as many default guests as memory and cores allow, at most 4. A number: that many.\nNames: machines of your own, described by sections [<name>] as in Cuckoo.',
      { form: /^\d{1,2}$/, accepted: 'auto, a number' },
    ),
    accel: choice(
      'auto',
      ['kvm', 'tcg'],
      'auto: KVM if a probe boot under it answers, else TCG (emulation, slower). Of the default guest.',
    ),
    memory: mebibytes(512, 'Memory of each default guest.', { min: 192 }),
    cpus: unused('1', 'more than one processor would let a sample delete files before they are kept.'),
    interface: matching(
      '',
      INTERFACE,
      'empty, malkoha, user, or the name of a bridge',
      "Network of machines of your own that do not say theirs. Empty or malkoha: a userspace network like the default\nguest's, behind no interface. user: QEMU's own. Else a bridge, such as Cuckoo's qemubr.",
    ),
  },
} as const satisfies Record<string, Section>;

/** A section named in `machines`: one machine of your own, keys as in Cuckoo and CAPE. */
export const QEMU_MACHINE = {
  ...machineFields('linux'),
  image: text('', 'Path of the disk image, which is never written to. It is needed.'),
  enable_kvm: bool(false, 'Run it by KVM.'),
  kernel: text('', 'Kernel to boot directly; {imagepath} is the folder of the image.'),
  initrd: text('', 'The initrd beside it.'),
  mac: matching(
    '',
    /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i,
    'a hardware address such as 52:54:00:12:34:56',
    'Hardware address of the guest. Empty: one made from its name.',
  ),
  memory: ownMemory('Memory of the guest. Empty: 1024M; of arm 256M, of other processors 512M.'),
  cpu: text('', 'Model of the processor, as QEMU calls it. Empty: its default.'),
  append: text('', "Command line of the kernel that is booted directly. Empty: the architecture's."),
} as const satisfies Section;

/** MiB; 0 when nothing is written. */
function ownMemory(doc: string): Field<number> {
  const size = mebibytes(0, doc, { min: 16 });
  return { ...size, written: '', parse: (value) => (value === '' ? 0 : size.parse(value)) };
}

/** A machine of one's own that QEMU runs without libvirt. */
export interface OwnQemuMachine extends OwnMachine {
  /** Path of the disk image. */
  readonly image: string;
  /** Path of a kernel to boot directly, in which placeholders such as {imagepath} may be; empty: that of the processor. */
  readonly kernel: string;
  readonly initrd: string;
  /** Lower case; empty: one made from the name. */
  readonly mac: string;
  /** MiB. */
  readonly memory: number;
  readonly enableKvm: boolean;
  /** Empty: QEMU's default. */
  readonly cpu: string;
  /** Command line of a kernel that is booted directly; empty: the board's. */
  readonly append: string;
}

export interface QemuSettings {
  readonly path: string;
  readonly interface: string;
  readonly accel: 'auto' | 'kvm' | 'tcg';
  /** Default guests: how many, or `auto`; 0 when the file names machines of its own. */
  readonly guests: number | 'auto';
  /** MiB of each default guest. */
  readonly memory: number;
  readonly machines: readonly OwnQemuMachine[];
}

/** Behind no interface of the host: the guest is known by its wire, and others may have its address. */
export function hasOwnNetwork({ interface: at }: Pick<OwnMachine, 'interface'>): boolean {
  return ['', 'malkoha', 'user'].includes(at);
}

/** MiB, as Cuckoo had them. */
const MEMORY: ReadonlyMap<string, number> = new Map([
  ['x64', 1024],
  ['x86', 1024],
  ['arm', 256],
]);
const OTHER_MEMORY = 512;

export function qemuSettings(
  source: ConfSource,
  resultServer: ResultServerAddress,
  findings: Findings,
): QemuSettings {
  const conf = readConf(source, { schema: QEMU_CONF }, findings);
  const { accel, memory, machines: wanted, path, interface: bridge } = conf.values.qemu;
  const names = wanted === 'auto' || /^\d+$/.test(wanted) ? [] : splitList(wanted);
  const options = {
    ...{ section: 'qemu', names, schema: QEMU_MACHINE, interface: bridge, resultServer },
    isAlone: hasOwnNetwork,
  };
  const machines = readMachines(source.file, conf, options, findings).map((read) => ownMachine(read));
  for (const { name, image } of machines) {
    const place = conf.others.get(name)?.place ?? source;
    if (image === '') findings.problem(place, `[${name}] has no image: the path of its disk image is needed`);
  }
  const guests = names.length > 0 ? 0 : wanted === 'auto' ? 'auto' : Number(wanted);
  return { path, interface: bridge, accel, guests, memory, machines };
}

function ownMachine({ machine, values }: ReadMachine<typeof QEMU_MACHINE>): OwnQemuMachine {
  const { image, kernel, initrd, mac, memory, enable_kvm: enableKvm, cpu, append } = values;
  const enough = memory === 0 ? (MEMORY.get(machine.arch) ?? OTHER_MEMORY) : memory;
  return {
    ...machine,
    image,
    kernel,
    initrd,
    mac: mac.toLowerCase(),
    memory: enough,
    enableKvm,
    cpu,
    append,
  };
}
