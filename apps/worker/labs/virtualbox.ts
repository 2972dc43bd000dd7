import { userInfo } from 'node:os';
import { parseSshUrl } from '#config/ssh-url.js';
import { reason } from '#domain/errors.js';
import type { VBoxHost } from '#machinery/adapters/virtualbox/host.js';
import { localHost } from '#machinery/adapters/virtualbox/local-host.js';
import { sshHost } from '#machinery/adapters/virtualbox/ssh-host.js';
import { virtualboxMachinery } from '#machinery/adapters/virtualbox/virtualbox.js';
import { openSsh } from '#ssh/ssh.js';
import { targetName, type SshTarget } from '#ssh/target.js';
import { Cleanup } from '../../cleanup.js';
import type { MachineLab, MachineLabOptions } from './machine-lab.js';
import { ownMachineLab } from './own-machines.js';
import { mustHaveMachines, ownParts } from './own-parts.js';

/** The operator's own VirtualBox machines, on this host or another one. */
export async function openVirtualBoxLab(
  options: MachineLabOptions,
  signal: AbortSignal,
): Promise<MachineLab> {
  const { settings, log } = options;
  const { machines, mode, controlports } = settings.virtualbox;
  mustHaveMachines(options, 'virtualbox', machines);
  await using cleanup = new Cleanup((error) => log('error', `while closing the lab: ${reason(error)}`));
  const parts = await ownParts(options, cleanup);
  const { timeouts, cuckoo, remotecontrol } = settings.cuckoo;
  const machinery = await virtualboxMachinery(
    {
      host: hostOf(settings.virtualbox),
      ...{ machines, mode, controlPorts: remotecontrol.enabled ? controlports : null },
      startLimit: Math.max(1, cuckoo.max_vmstartup_count),
      stateTimeoutMs: timeouts.vm_state * 1000,
      onProblem: ({ name }, what) => log('warn', what, { machine: name }),
    },
    signal,
  );
  const lab = cleanup.use(ownMachineLab(machinery, machines, parts));
  if (remotecontrol.enabled) for (const machine of machines) machinery.setRemoteControl(machine, 'on');
  const owned = cleanup.move();
  return { ...lab, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}

function hostOf({ path, host }: MachineLabOptions['settings']['virtualbox']): VBoxHost {
  if (host === '') {
    const { VBOX_USER_HOME, DISPLAY, XAUTHORITY } = process.env;
    return localHost({ program: path, environment: { VBOX_USER_HOME, DISPLAY, XAUTHORITY } });
  }
  const place = parseSshUrl(host);
  if (place === null) throw new TypeError(`[virtualbox] host was read as ${host}`);
  const agent = process.env['SSH_AUTH_SOCK'];
  const target: SshTarget = {
    ...place,
    user: place.user ?? userInfo().username,
    ...(agent ? { agent } : {}),
  };
  return sshHost({ program: path, name: targetName(target), connect: (by) => openSsh(target, by) });
}
