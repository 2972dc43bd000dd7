import { boardOf } from './boards.js';
import { macOf, networkOf, VIRTIO, type OwnQemuMachine } from './machine.js';
import type { OwnPlan } from './plan.js';

/** A machine as qemu.conf describes it, for tests. */
export function ownMachine(changes: Partial<OwnQemuMachine> = {}): OwnQemuMachine {
  return {
    ...{ name: 'vm1', label: 'vm1', platform: 'linux', arch: 'x64', tags: [], reserved: false },
    ...{ ip: '192.168.55.2', resultServer: { ip: '192.168.55.1', port: 2042 }, snapshot: null },
    ...{ interface: '', options: [], agentPort: 8000, image: '/vms/disk.qcow2', kernel: '', initrd: '' },
    ...{ mac: '', memory: 0, enableKvm: false, cpu: '' },
    ...changes,
  };
}

/** The plan of a machine without looking at the host. */
export function planOf(machine: OwnQemuMachine): OwnPlan {
  const board = boardOf(machine.arch);
  if (board === null) throw new Error(`no board for ${machine.arch}`);
  return {
    ...{ machine, board, qemuImg: '/usr/bin/qemu-img', perl: '/usr/bin/perl', identity: null },
    program: { path: `/usr/bin/${board.program}`, version: 'QEMU 7.2', accelerators: ['tcg'] },
    image: { chain: [{ path: machine.image, format: 'qcow2' }], size: 1 << 30, snapshots: [] },
    kernel: machine.kernel || (board.kernel === null ? null : `/vms/${board.kernel}`),
    initrd: machine.initrd || (board.initrd === null ? null : `/vms/${board.initrd}`),
    ...{ firmware: null, append: board.append, mac: macOf(machine), network: networkOf(machine) },
    memory: machine.memory || board.memory,
    isVirtio: machine.options.includes(VIRTIO),
  };
}
