import { randomUUID } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from 'node:fs';
import {
  find,
  findSnapshot,
  isOnline,
  isTransient,
  lockForWriting,
  lockShared,
  pass,
  RUNNING,
  sleep,
} from './machines.js';
import { tree, type FakeHost, type FakeSnapshot, type FakeVm, type VmState } from './model.js';
import { setState, withHost } from './store.js';
import * as texts from './texts.js';
import { Refused } from './texts.js';

/** What a command that went well has to say. */
export interface Said {
  readonly stdout?: string;
  /** A progress bar was shown. */
  readonly progress?: boolean;
}

type Command = (args: readonly string[]) => Promise<Said> | Said;

const lines = (all: readonly string[]): Said => ({ stdout: all.map((line) => `${line}\n`).join('') });
const syntax = (text: string) => new Refused([text], 2);

/** With a command that this is not there is an error, as there is one for a word that VirtualBox does not know. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  list,
  showvminfo,
  snapshot,
  startvm,
  controlvm,
  modifyvm,
  debugvm,
  unregistervm,
};

function list([what = '']: readonly string[]): Said {
  return withHost(({ machines }) => {
    const named = (vm: FakeVm) => `"${vm.accessible ? vm.name : '<inaccessible>'}" {${vm.uuid}}`;
    switch (what) {
      case 'vms':
        return lines(machines.map(named));
      case 'runningvms':
        return lines(machines.filter(({ state }) => RUNNING.has(state)).map(named));
      case 'hostinfo':
        return lines([
          ...['Host Information:', '', `Host time: ${new Date().toISOString().replace('Z', '000000Z')}`],
          ...['Processor online count: 2', 'Processor count: 2', 'Processor supports HW virtualization: yes'],
          ...['Memory size: 8192 MByte', 'Memory available: 4096 MByte', 'Operating system: Linux'],
        ]);
      default:
        throw syntax(`Unknown subcommand: ${what}`);
    }
  });
}

function showvminfo([id = '', form]: readonly string[]): Said {
  if (form !== '--machinereadable') throw syntax('only --machinereadable is imitated');
  return withHost((host) => {
    const vm = find(host, id);
    if (host.deniedInTransit && isTransient(vm)) throw texts.notReady();
    return lines(texts.infoLines(vm, host));
  });
}

async function snapshot([id = '', verb = '', ...args]: readonly string[]): Promise<Said> {
  const file = 'VBoxManageSnapshot.cpp';
  switch (verb) {
    case 'list':
      return withHost((host) => {
        const vm = find(host, id);
        lockShared(vm, file);
        if (vm.root === null) throw texts.noSnapshots();
        return lines(texts.snapshotLines(vm));
      });
    case 'restore':
    case 'restorecurrent':
      return await restore(id, verb === 'restore' ? (args[0] ?? '') : null);
    case 'take':
      return await take(id, args);
    default:
      throw syntax(`Invalid parameter '${verb}'`);
  }
}

async function restore(id: string, name: string | null): Promise<Said> {
  const chosen = withHost((host) => {
    const vm = find(host, id);
    lockShared(vm, 'VBoxManageSnapshot.cpp');
    const wanted = name ?? vm.current;
    if (wanted === null) throw texts.noSnapshots();
    const found = findSnapshot(vm, wanted);
    if (isOnline(vm) || isTransient(vm)) throw texts.notRestored(vm.state);
    vm.session = 'Locked';
    return found;
  });
  await pass(id, 'restoringsnapshot', { state: chosen.live ? 'saved' : 'poweroff', session: 'Unlocked' });
  withHost((host) => {
    const vm = find(host, id);
    vm.current = chosen.uuid;
    // Settings are the snapshot's again.
    vm.vrde = { on: false, port: '3389', multiple: false, address: '' };
    vm.trace = { file: '', on: false };
  });
  return { stdout: `Restoring snapshot '${chosen.name}' (${chosen.uuid})\n`, progress: true };
}

async function take(id: string, [name = '', ...options]: readonly string[]): Promise<Said> {
  const described = options.indexOf('--description');
  const before = withHost((host) => {
    const vm = find(host, id);
    lockShared(vm, 'VBoxManageSnapshot.cpp');
    return { state: vm.state, session: vm.session, live: isOnline(vm) || vm.state === 'saved' };
  });
  await pass(id, before.session === 'Locked' ? 'onlinesnapshotting' : 'snapshotting', before);
  return withHost((host) => {
    const vm = find(host, id);
    const made: FakeSnapshot = {
      ...{ name, live: before.live, children: [] },
      uuid: randomUUID(),
      description: described === -1 ? '' : (options[described + 1] ?? ''),
    };
    const parent = [...tree(vm.root)].find(({ snapshot: { uuid } }) => uuid === vm.current);
    if (parent) parent.snapshot.children.push(made);
    else vm.root = made;
    vm.current = made.uuid;
    return { stdout: `Snapshot taken. UUID: ${made.uuid}\n`, progress: true };
  });
}

async function startvm([id = '', , kind = 'gui']: readonly string[]): Promise<Said> {
  if (kind === 'emergencystop') return await emergencyStop(id);
  const { name, saved, early } = withHost((host) => {
    const vm = find(host, id);
    if (vm.session !== 'Unlocked') throw texts.notLaunched(vm);
    vm.session = 'Spawning';
    vm.frontend = kind === 'headless' ? 'headless' : 'GUI/Qt';
    return { name: vm.name, saved: vm.state === 'saved', early: host.earlyStart };
  });
  const running = pass(id, saved ? 'restoring' : 'starting', { state: 'running', session: 'Locked' });
  if (!early) await running;
  return lines([`Waiting for VM "${name}" to power on...`, `VM "${name}" has been successfully started.`]);
}

async function emergencyStop(id: string): Promise<Said> {
  withHost((host) => {
    const vm = find(host, id);
    if (vm.session === 'Unlocked') throw texts.noSession(vm);
    vm.pending = [{ at: Date.now() + host.unlockingMs, session: 'Unlocked' }];
    vm.session = 'Unlocking';
    setState(vm, 'aborted');
  });
  return {};
}

async function controlvm([id = '', verb = '', ...args]: readonly string[]): Promise<Said> {
  if (verb === 'poweroff') return await poweroff(id);
  return withHost((host) => {
    const vm = find(host, id);
    lockShared(vm, 'VBoxManageControlVM.cpp');
    if (!isOnline(vm)) throw texts.notRunning(id);
    control(vm, verb, args);
    return {};
  });
}

function control(vm: FakeVm, verb: string, [argument = '']: readonly string[]): void {
  const invalid = (call: string, wanted: string) =>
    texts.badState(`Invalid machine state: ${texts.stateName(vm.state)} (must be ${wanted})`, call);
  switch (verb) {
    case 'pause':
      if (vm.state !== 'running') throw invalid('Pause()', 'Running');
      setState(vm, 'paused');
      return;
    case 'resume':
      if (vm.state !== 'paused') throw invalid('Resume()', 'Paused');
      setState(vm, 'running');
      return;
    case 'screenshotpng':
      writeFileSync(argument, SCREEN);
      return;
    case 'nictracefile1':
      vm.trace.file = argument;
      return;
    case 'nictrace1':
      vm.trace.on = argument === 'on';
      if (vm.trace.on) writeFileSync(vm.trace.file, PCAP_HEADER);
      return;
    default:
      throw syntax(`Invalid parameter '${verb}'`);
  }
}

async function poweroff(id: string): Promise<Said> {
  withHost((host) => {
    const vm = find(host, id);
    lockShared(vm, 'VBoxManageControlVM.cpp');
    if (vm.state === 'saved')
      throw texts.badState('Cannot power down a saved virtual machine', 'PowerDown(progress.asOutParam())');
    if (vm.state === 'stopping')
      throw texts.badState('The virtual machine is being powered down', 'PowerDown(progress.asOutParam())');
    if (!isOnline(vm)) throw texts.notRunning(id);
    if (isTransient(vm)) {
      const state = texts.stateName(vm.state);
      throw texts.badState(
        `Invalid machine state: ${state} (must be Running, Paused or Stuck)`,
        'PowerDown(progress.asOutParam())',
      );
    }
  });
  await pass(id, 'stopping', { state: 'poweroff', session: 'Unlocking' });
  return { progress: true };
}

function modifyvm([id = '', ...options]: readonly string[]): Said {
  withHost((host) => {
    const vm = find(host, id);
    lockForWriting(vm, 'VBoxManageModifyVM.cpp');
    for (let at = 0; at < options.length; at += 2) {
      const [option = '', value = ''] = options.slice(at, at + 2);
      if (option === '--vrde') vm.vrde.on = value === 'on';
      else if (option === '--vrdemulticon') vm.vrde.multiple = value === 'on';
      else if (option === '--vrdeport') vm.vrde.port = value;
      else if (option === '--vrdeaddress') vm.vrde.address = value;
      else throw syntax(`Unknown option: ${option}`);
    }
  });
  return {};
}

async function debugvm([id = '', verb = '', flag, path = '']: readonly string[]): Promise<Said> {
  const { bytes, kind } = withHost((host) => {
    const vm = find(host, id);
    lockShared(vm, 'VBoxManageDebugVM.cpp');
    if (!isOnline(vm)) throw texts.notRunning(id);
    if (verb !== host.dumpCommand) throw syntax(`Unknown subcommand: ${verb}`);
    if (flag !== '--filename') throw syntax('The --filename option is required');
    return { bytes: vm.memory << 20, kind: host.dump };
  });
  if (kind === 'missing') return {};
  const file = openNew(path);
  const header = Buffer.alloc(64);
  // ELF64, little-endian, ET_CORE, x86-64.
  if (kind !== 'no-elf') header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  header.writeUInt16LE(4, 16);
  header.writeUInt16LE(62, 18);
  writeSync(file, header);
  ftruncateSync(file, kind === 'truncated' ? bytes / 2 : header.length + bytes);
  closeSync(file);
  await sleep(0);
  return {};
}

/** VirtualBox does not write over a file that is there. */
function openNew(path: string): number {
  try {
    return openSync(path, 'wx');
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    const why = code === 'EEXIST' ? 'VERR_ALREADY_EXISTS' : 'VERR_PATH_NOT_FOUND';
    throw new Refused(
      texts.apiError(
        `DBGFR3CoreWrite failed with ${why}`,
        'E_FAIL',
        ['MachineDebuggerWrap', 'IMachineDebugger'],
        ['DumpGuestCore(bstrFilename.raw(), bstrCompression.raw())', 351, 'VBoxManageDebugVM.cpp'],
      ),
    );
  }
}

function unregistervm([id = '']: readonly string[]): Said {
  withHost((host) => {
    const vm = find(host, id);
    if (vm.session !== 'Unlocked') throw texts.notUnregistered(vm);
    host.machines = host.machines.filter((other) => other !== vm);
  });
  return { progress: true };
}

/** For tests, in the place of what happens to real machines by themselves. */
export function internalcommands([what, argument = '']: readonly string[]): Said {
  return withHost((host) => {
    if (what === 'end') {
      const { id, state } = JSON.parse(argument) as { id: string; state: VmState };
      end(host, find(host, id), state);
    } else if (what === 'change') Object.assign(host, JSON.parse(argument) as Partial<FakeHost>);
    else if (what === 'vm') {
      const { id, ...changes } = JSON.parse(argument) as Partial<FakeVm> & { id: string };
      Object.assign(find(host, id), changes);
    }
    return { stdout: JSON.stringify(host) };
  });
}

/** A machine goes away by itself, or gets stuck. */
function end(host: FakeHost, vm: FakeVm, state: VmState): void {
  setState(vm, state);
  vm.pending = [];
  if (isOnline(vm)) return;
  vm.session = 'Unlocking';
  vm.frontend = '';
  vm.pending = [{ at: Date.now() + host.unlockingMs, session: 'Unlocked' }];
}

/** 1×1, black. */
const SCREEN = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==',
  'base64',
);

/** Microsecond pcap of Ethernet, with no packet yet. */
const PCAP_HEADER = Buffer.from('d4c3b2a1020004000000000000000000ffff000001000000', 'hex');
