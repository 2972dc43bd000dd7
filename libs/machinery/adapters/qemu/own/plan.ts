import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { reason, SandboxError, type ErrorCode } from '#domain/errors.js';
import { unprivileged, type Identity } from '../identity.js';
import { describeProgram, findProgram, type QemuProgram } from '../program.js';
import { ARCHITECTURES, boardOf, type Board } from './boards.js';
import { readImage, type DiskImage } from './image.js';
import { macOf, networkOf, VIRTIO, type Network, type OwnQemuMachine } from './machine.js';
import { checkNetwork } from './net.js';

/** A machine that was looked at: all that is needed to run it is here. */
export interface OwnPlan {
  readonly machine: OwnQemuMachine;
  readonly board: Board;
  readonly program: QemuProgram;
  /** Path of the program. */
  readonly qemuImg: string;
  readonly perl: string;
  readonly image: DiskImage;
  /** Paths, placeholders filled in; null = it has none. */
  readonly kernel: string | null;
  readonly initrd: string | null;
  readonly firmware: string | null;
  readonly append: string;
  readonly mac: string;
  /** MiB. */
  readonly memory: number;
  readonly network: Network;
  readonly isVirtio: boolean;
  /** Whom QEMU runs as. */
  readonly identity: Identity | null;
}

/**
 * Looks at everything that machines need, before one of them is needed itself.
 *
 * @throws CONFIG_INVALID or SETUP_MISSING with all that is wrong, each with the machine's name and what to do
 */
export async function planMachines(
  machines: readonly OwnQemuMachine[],
  path: string,
  signal: AbortSignal,
): Promise<readonly OwnPlan[]> {
  refuseTwins(machines);
  const looked = await Promise.allSettled(machines.map((machine) => planMachine(machine, path, signal)));
  signal.throwIfAborted();
  const problems = looked.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
  if (problems.length === 0) {
    return looked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  }
  const [first] = problems;
  const code: ErrorCode = first instanceof SandboxError ? first.code : 'CONFIG_INVALID';
  throw new SandboxError(code, problems.map((problem) => reason(problem)).join('; '), { cause: first });
}

async function planMachine(machine: OwnQemuMachine, path: string, signal: AbortSignal): Promise<OwnPlan> {
  try {
    return await look(machine, path, signal);
  } catch (cause) {
    signal.throwIfAborted();
    if (!(cause instanceof SandboxError)) throw cause;
    throw new SandboxError(cause.code, `[${machine.name}] ${cause.message}`, { cause: cause.cause });
  }
}

async function look(machine: OwnQemuMachine, path: string, signal: AbortSignal): Promise<OwnPlan> {
  if (!/^\w[\w.-]*$/.test(machine.name)) throw invalid('its name: use letters, digits, . _ -');
  const board = boardOf(machine.arch);
  if (board === null) {
    throw invalid(`arch = ${JSON.stringify(machine.arch)}: ${ARCHITECTURES.join(', ')} are accepted`);
  }
  const isVirtio = machine.options.includes(VIRTIO);
  if (isVirtio && !board.hasVirtio) throw invalid(`options = virtio: ${board.machine} has no virtio`);
  const beside = path === '' ? [] : [dirname(resolve(path))];
  const [program, qemuImg, perl] = await Promise.all([
    findProgram(board.program, board.debianPackage, beside),
    findProgram('qemu-img', 'qemu-utils', beside),
    findProgram('perl', 'perl-base'),
    findProgram('setpriv', 'util-linux'),
  ]);
  const image = await readImage(qemuImg, resolve(machine.image), signal);
  checkSnapshot(machine, image);
  const network = networkOf(machine);
  await checkNetwork(machine, network);
  if (machine.enableKvm) await checkKvm();
  const mac = macOf(machine);
  const memory = machine.memory === 0 ? board.memory : machine.memory;
  const fill = (template: string) => filled(template, { machine, mac, memory });
  const kernel = await fileOf('kernel', fill(machine.kernel || (board.kernel ?? '')), machine);
  return {
    ...{ machine, board, qemuImg, perl, image, network, mac, memory, isVirtio, kernel },
    program: await describeProgram(program, signal),
    initrd: await fileOf('initrd', fill(machine.initrd || (board.initrd ?? '')), machine),
    firmware: kernel === null ? await firmwareOf(board) : null,
    append: machine.append || board.append,
    identity: await unprivileged(),
  };
}

/** Cuckoo's placeholders. */
function filled(
  template: string,
  { machine, mac, memory }: { machine: OwnQemuMachine; mac: string; memory: number },
): string {
  const values: Readonly<Record<string, string>> = {
    ...{ imagepath: dirname(resolve(machine.image)), snapshot_path: resolve(machine.image) },
    ...{ vmname: machine.name, memory: `${memory}M`, mac },
  };
  return template.replaceAll(/\{(\w*)\}/g, (_whole, key: string) => {
    const value = Object.hasOwn(values, key) ? values[key] : undefined;
    if (value !== undefined) return value;
    const known = Object.keys(values).map((name) => `{${name}}`);
    throw invalid(`${JSON.stringify(template)}: {${key}} is no placeholder; there are ${known.join(' ')}`);
  });
}

/** Relative to the folder of the image. */
async function fileOf(
  key: 'kernel' | 'initrd',
  name: string,
  { image }: OwnQemuMachine,
): Promise<string | null> {
  if (name === '') return null;
  const path = resolve(dirname(resolve(image)), name);
  try {
    await access(path, constants.R_OK);
    if ((await stat(path)).isFile()) return path;
  } catch (cause) {
    throw invalid(`${key} ${path} cannot be read: write its path as ${key} = … (${reason(cause)})`);
  }
  throw invalid(`${key} ${path} is no regular file`);
}

async function firmwareOf({ firmware }: Board): Promise<string | null> {
  if (firmware === null) return null;
  try {
    await access(firmware.path, constants.R_OK);
    return firmware.path;
  } catch {
    throw new SandboxError(
      'SETUP_MISSING',
      `it has no kernel, so it needs ${firmware.path}: apt-get install ${firmware.debianPackage}`,
    );
  }
}

function checkSnapshot({ snapshot, image: path }: OwnQemuMachine, image: DiskImage): void {
  if (snapshot === null) return;
  const found = image.snapshots.find(({ name }) => name === snapshot);
  const there = image.snapshots.filter(({ hasMemory }) => hasMemory).map(({ name }) => name);
  const choice =
    there.length === 0
      ? 'it has none of a running machine: leave `snapshot` empty and run `malkoha machine prepare`'
      : `it has ${there.join(', ')}`;
  if (found === undefined) throw invalid(`snapshot = ${snapshot}: ${path} has none of that name; ${choice}`);
  if (!found.hasMemory) {
    throw invalid(
      `snapshot = ${snapshot}: it was taken of a machine that was off, without memory; ${choice}`,
    );
  }
}

async function checkKvm(): Promise<void> {
  try {
    await access('/dev/kvm', constants.R_OK | constants.W_OK);
  } catch (cause) {
    throw new SandboxError('SETUP_MISSING', `enable_kvm = yes, but /dev/kvm does not open`, { cause });
  }
}

/** A card's address is a machine's identity on a bridge, and its name that of its template. */
function refuseTwins(machines: readonly OwnQemuMachine[]): void {
  for (const [key, of] of [
    ['name', ({ name }: OwnQemuMachine) => name],
    ['mac', macOf],
  ] as const) {
    const first = new Map<string, string>();
    for (const machine of machines) {
      const before = first.get(of(machine));
      if (before !== undefined) {
        throw invalid(`[${machine.name}] ${key} = ${of(machine)}: [${before}] has it too`);
      }
      first.set(of(machine), machine.name);
    }
  }
}

function invalid(why: string): SandboxError {
  return new SandboxError('CONFIG_INVALID', why);
}
