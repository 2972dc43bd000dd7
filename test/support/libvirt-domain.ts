import { createHash } from 'node:crypto';
import type { OwnMachine } from '#domain/machine.js';
import type { GuestImage } from '#guest/image/build.js';

export const BRIDGE = { name: 'br0', ip: '10.77.0.1', bits: 24 } as const;

/** linux<number>, at 10.77.0.<10 + number>. */
export function labMachine(number: number): OwnMachine {
  return {
    name: `linux${number}`,
    label: `linux${number}`,
    platform: 'linux',
    arch: 'x64',
    tags: ['x64'],
    reserved: false,
    ip: `10.77.0.${10 + number}`,
    resultServer: { ip: BRIDGE.ip, port: 2042 },
    snapshot: 'clean',
    interface: BRIDGE.name,
    options: [],
    agentPort: 8000,
  };
}

/** MAC of a lab's machine: its address in hexadecimal. */
export function labMac({ ip }: OwnMachine): string {
  const bytes = ip.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'));
  return `52:54:${bytes.join(':')}`;
}

/** The same machine has the same XML in every run: saved states only load into that. */
export function domainXml(machine: OwnMachine, image: GuestImage, memoryMb: number): string {
  const { label, ip } = machine;
  const hex = createHash('sha256').update(label).digest('hex');
  const uuid = [
    [0, 8],
    [8, 12],
    [12, 16],
    [16, 20],
    [20, 32],
  ]
    .map(([a, b]) => hex.slice(a, b))
    .join('-');
  const cmdline = `${image.cmdline} address=${ip}/${BRIDGE.bits} gateway=${BRIDGE.ip}`;
  return `<domain type='qemu'>
  <name>${label}</name>
  <uuid>${uuid}</uuid>
  <memory unit='MiB'>${memoryMb}</memory>
  <vcpu>1</vcpu>
  <cpu mode='custom' match='exact' check='none'>
    <model>qemu64</model>
    ${['ssse3', 'sse4.1', 'sse4.2', 'popcnt'].map((name) => `<feature policy='require' name='${name}'/>`).join('')}
  </cpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>${image.kernel}</kernel>
    <initrd>${image.initrd}</initrd>
    <cmdline>${cmdline}</cmdline>
  </os>
  <features><acpi/></features>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>destroy</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='unsafe'/>
      <source file='/var/lib/libvirt/images/${label}.qcow2'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <interface type='bridge'>
      <mac address='${labMac(machine)}'/>
      <source bridge='${BRIDGE.name}'/>
      <target dev='tap-${label}'/>
      <model type='virtio'/>
    </interface>
    <serial type='file'><source path='/var/log/libvirt/${label}.serial'/></serial>
    <video><model type='vga'/></video>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <memballoon model='none'/>
  </devices>
</domain>
`;
}
