import { bool, choice, int, list, matching, mebibytes, text, unused, type Section } from './field.js';

/** conf/qemu.conf. `machines` is a number of default guests, or Cuckoo's list of sections that describe your own. */
export const QEMU_CONF = {
  qemu: {
    path: unused('/usr/bin/qemu-system-x86_64', 'the qemu-system-x86_64 found on PATH is used.'),
    machines: matching(
      'auto',
      /^(\d{1,2}|[A-Za-z][\w.-]*(\s*,\s*[A-Za-z][\w.-]*)*)$/,
      'auto, a number, or names of sections separated by commas',
      'auto: as many default guests as memory and cores allow, at most 4. A number: that many.\nNames: machines of your own, described by sections [<name>] as in Cuckoo. They are read, but not run yet.',
    ),
    accel: choice(
      'auto',
      ['kvm', 'tcg'],
      'auto: KVM if a probe boot under it answers, else TCG (emulation, slower).',
    ),
    memory: mebibytes(512, 'Memory of each default guest.', { min: 192 }),
    cpus: unused('1', 'more than one processor would let a sample delete files before they are kept.'),
    interface: unused('qemubr', 'the default guest lives in a userspace network, behind no interface.'),
  },
} as const satisfies Record<string, Section>;

/** A section named in `machines`: one machine of your own, keys as in Cuckoo. */
export const QEMU_MACHINE = {
  label: text('', 'What QEMU calls the machine. Empty: the name of the section.'),
  image: text('', 'Path of the disk image.'),
  snapshot: text('', 'Snapshot in the image with a booted system and a listening agent.'),
  arch: matching(
    '',
    /^[a-z0-9_]+$/,
    'an architecture of QEMU such as mipsel',
    'Architecture. Empty: x86_64.',
  ),
  enable_kvm: bool(false, 'Use KVM.'),
  platform: choice('linux', ['windows', 'darwin', 'android'], 'What the guest runs.'),
  ip: text('', 'IPv4 address of the guest.'),
  interface: text('', 'Host interface the guest is behind.'),
  resultserver_ip: text('', 'Where the guest finds the result server. Empty: [resultserver] ip.'),
  resultserver_port: int(
    0,
    'Port where the guest finds the result server. 0: that of [resultserver] in cuckoo.conf.',
    { max: 65535 },
  ),
  tags: list([], 'Tags a task may ask for.'),
  options: list([], 'Flags.'),
  osprofile: text('', 'Memory profile of the guest.'),
  kernel: text('', 'Path of a kernel to boot directly.'),
  initrd: text('', 'Path of the initrd beside it.'),
  mac: text('', 'Hardware address of the guest.'),
  memory: mebibytes(512, 'Memory of the guest.', { min: 16 }),
} as const satisfies Section;
