import { tree, type FakeHost, type FakeVm } from './model.js';

/** Ends the command with exit code 1 and these lines, each behind `VBoxManage: error: `. */
export class Refused extends Error {
  constructor(
    readonly lines: readonly string[],
    readonly exit = 1,
    /** Instead of stderr. */
    readonly stdout: string | null = null,
  ) {
    super(lines.join('\n'));
  }
}

const CODES = {
  VBOX_E_OBJECT_NOT_FOUND: '0x80bb0001',
  VBOX_E_INVALID_VM_STATE: '0x80bb0002',
  VBOX_E_INVALID_OBJECT_STATE: '0x80bb0007',
  E_ACCESSDENIED: '0x80070005',
  E_FAIL: '0x80004005',
} as const;

/** The three lines of an error that came from the API; see com::GluePrintErrorInfo. */
export function apiError(
  text: string,
  code: keyof typeof CODES,
  [component, face]: readonly [component: string, face: string],
  [call, line, file]: readonly [call: string, line: number, file: string],
): readonly string[] {
  return [
    text,
    `Details: code ${code} (${CODES[code]}), component ${component}, interface ${face}, callee nsISupports`,
    `Context: "${call}" at line ${line} of file ${file}`,
  ];
}

const MACHINE = ['MachineWrap', 'IMachine'] as const;
const CONSOLE = ['ConsoleWrap', 'IConsole'] as const;
const SESSION_MACHINE = ['SessionMachine', 'IMachine'] as const;

export const noSuchMachine = (name: string) =>
  new Refused(
    apiError(
      `Could not find a registered machine named '${name}'`,
      'VBOX_E_OBJECT_NOT_FOUND',
      ['VirtualBoxWrap', 'IVirtualBox'],
      ['FindMachine(Bstr(VMNameOrUuid).raw(), machine.asOutParam())', 3249, 'VBoxManageInfo.cpp'],
    ),
  );

export const notReady = () =>
  new Refused(
    apiError('The object is not ready', 'E_ACCESSDENIED', MACHINE, [
      'COMGETTER(State)(&machineState)',
      2681,
      'VBoxManageInfo.cpp',
    ]),
  );

export const locked = (vm: FakeVm, kind: 'Write' | 'Shared', file: string) =>
  new Refused(
    apiError(
      `The machine '${vm.name}' is already locked for a session (or being unlocked)`,
      'VBOX_E_INVALID_OBJECT_STATE',
      MACHINE,
      [`LockMachine(a->session, LockType_${kind})`, 640, file],
    ),
  );

export const notLaunched = (vm: FakeVm) =>
  new Refused(
    apiError(
      `The machine '${vm.name}' is already locked by a session (or being locked or unlocked)`,
      'VBOX_E_INVALID_OBJECT_STATE',
      MACHINE,
      [
        'LaunchVMProcess(a->session, sessionType.raw(), ComSafeArrayAsInParam(env), progress.asOutParam())',
        921,
        'VBoxManageMisc.cpp',
      ],
    ),
  );

export const noSession = (vm: FakeVm) =>
  new Refused(
    apiError(`The machine '${vm.name}' is not locked by a session`, 'VBOX_E_INVALID_OBJECT_STATE', MACHINE, [
      'LaunchVMProcess(a->session, sessionType.raw(), ComSafeArrayAsInParam(env), progress.asOutParam())',
      921,
      'VBoxManageMisc.cpp',
    ]),
  );

export const notUnregistered = (vm: FakeVm) =>
  new Refused(
    apiError(
      `Cannot unregister the machine '${vm.name}' while it is locked`,
      'VBOX_E_INVALID_OBJECT_STATE',
      MACHINE,
      ['Unregister(CleanupMode_DetachAllReturnHardDisksOnly)', 240, 'VBoxManageMisc.cpp'],
    ),
  );

export const noSnapshot = (name: string) =>
  new Refused(
    apiError(
      `Could not find a snapshot named '${name}'`,
      'VBOX_E_OBJECT_NOT_FOUND',
      ['SessionMachine', 'IMachine'],
      ['FindSnapshot(Bstr(a->argv[2]).raw(), pSnapshot.asOutParam())', 488, 'VBoxManageSnapshot.cpp'],
    ),
  );

export const noSnapshots = () => new Refused([], 1, 'This machine does not have any snapshots\n');

export const notRestored = (state: string) =>
  new Refused(
    apiError(
      `Cannot delete the current state of the running machine (machine state: ${stateName(state)})`,
      'VBOX_E_INVALID_VM_STATE',
      SESSION_MACHINE,
      ['RestoreSnapshot(pSnapshot, pProgress.asOutParam())', 519, 'VBoxManageSnapshot.cpp'],
    ),
  );

/** The console's refusals of `controlvm`. */
export const badState = (text: string, call: string) =>
  new Refused(apiError(text, 'VBOX_E_INVALID_VM_STATE', CONSOLE, [call, 412, 'VBoxManageControlVM.cpp']));

export const notRunning = (name: string) => new Refused([`Machine '${name}' is not currently running.`]);

/** `Stringify::machineState`. */
export function stateName(state: string): string {
  const names: Record<string, string> = {
    poweroff: 'PoweredOff',
    gurumeditation: 'Stuck',
    restoringsnapshot: 'RestoringSnapshot',
    onlinesnapshotting: 'OnlineSnapshotting',
  };
  return names[state] ?? `${state.charAt(0).toUpperCase()}${state.slice(1)}`;
}

const quote = (text: string) => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;

/** The lines of `snapshot X list --machinereadable`, which showvminfo has too. */
export function snapshotLines(vm: FakeVm): readonly string[] {
  const all = [...tree(vm.root)];
  const current = all.find(({ snapshot }) => snapshot.uuid === vm.current);
  return [
    ...all.flatMap(({ snapshot, node }) => [
      `SnapshotName${node}=${quote(snapshot.name)}`,
      `SnapshotUUID${node}="${snapshot.uuid}"`,
      ...(snapshot.description === '' ? [] : [`SnapshotDescription${node}=${quote(snapshot.description)}`]),
    ]),
    ...(current === undefined
      ? []
      : [
          `CurrentSnapshotName=${quote(current.snapshot.name)}`,
          `CurrentSnapshotUUID="${current.snapshot.uuid}"`,
          `CurrentSnapshotNode="SnapshotName${current.node}"`,
        ]),
  ];
}

/** `showvminfo --machinereadable` as 7.2 writes it, less the many settings of the virtual hardware. */
export function infoLines(vm: FakeVm, { windows }: Pick<FakeHost, 'windows'>): readonly string[] {
  if (!vm.accessible) return ['name="<inaccessible>"', `UUID="${vm.uuid}"`];
  const home = windows ? 'C:\\VMs\\' : '/home/cuckoo/VirtualBox VMs/';
  const path = (ending: string) => quote(`${home}${vm.name}${windows ? '\\' : '/'}${ending}`);
  const up = vm.frontend !== '';
  return [
    `name=${quote(vm.name)}`,
    ...['encryption="disabled"', 'groups="/"', 'platformArchitecture="x86"', 'ostype="Windows 10 (64-bit)"'],
    `UUID="${vm.uuid}"`,
    `CfgFile=${path(`${vm.name}.vbox`)}`,
    `SnapFldr=${path('Snapshots')}`,
    `hardwareuuid="${vm.uuid}"`,
    `memory=${vm.memory}`,
    ...['pagefusion="off"', 'vram=8', 'cpus=1'],
    `VMState="${vm.state}"`,
    `VMStateChangeTime="${new Date(vm.changed).toISOString().replace('Z', '000000')}"`,
    ...['graphicscontroller="vboxvga"', 'monitorcount=1', 'teleporterpassword=""'],
    '"SATA-0-0"="disk.vdi"',
    ...(vm.nics[0] === 'hostonly' ? [`hostonlyadapter1="${vm.adapter}"`] : []),
    ...['macaddress1="080027101678"', 'cableconnected1="on"'],
    ...[`nic1="${vm.nics[0] ?? 'none'}"`, 'nictype1="82540EM"'],
    ...[`nic2="${vm.nics[1] ?? 'none'}"`, 'uart1="off"'],
    // This one value keeps its backslashes as they are.
    ...(windows ? ['uartmode1="file,C:\\VMs\\"'] : []),
    ...(up ? [`SessionName="${vm.frontend}"`, 'VideoMode="720,400,0"@0,0 1'] : []),
    ...(vm.vrde.on
      ? [
          ...['vrde="on"', up ? `vrdeport=${Number.parseInt(vm.vrde.port, 10)}` : 'vrdeport=-1'],
          ...[`vrdeports="${vm.vrde.port}"`, `vrdeaddress="${vm.vrde.address}"`, 'vrdeauthtype="null"'],
          `vrdemulticon="${vm.vrde.multiple ? 'on' : 'off'}"`,
        ]
      : ['vrde="off"']),
    'usb="off"',
    ...(up ? ['VRDEActiveConnection="off"', 'VRDEClients==0'] : []),
    ...['recording_screens=1', ' rec_screen0', 'rec_screen_enabled="on"', 'rec_screen_id=0'],
    // Descriptions keep their line ends.
    `description=${quote('made for tests\nVMState="no state, but a line of a text"\nname=')}`,
    ...snapshotLines(vm),
    'GuestMemoryBalloon=0',
    ...(up ? ['GuestOSType="Windows10_64"', 'GuestAdditionsRunLevel=0'] : []),
  ];
}

export const PROGRESS = '0%...10%...20%...30%...40%...50%...60%...70%...80%...90%...100%\n';
