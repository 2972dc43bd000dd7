import { open, readFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { reason, SandboxError } from '#domain/errors.js';
import { SNAPSHOT } from '../argv.js';
import { loadState } from '../migration.js';
import { sha256 } from '../parts.js';
import { namelessFile, privateCopy } from '../private-copy.js';
import { orKill } from '../process.js';
import { ramDigest, sealedCopy } from '../ram.js';
import { runJob } from '../snapshot.js';
import { VM_STATE } from './argv.js';
import type { Attachments } from './attach.js';
import { launchOwn, type OwnFiles, type OwnProcess } from './launch.js';
import { OWN_FILES, prepareHint, isOfToday, type OwnSaved, type Part } from './parts.js';
import type { OwnPlan } from './plan.js';

export interface OwnCloneStart {
  /** Name of its record. */
  readonly name: string;
  readonly runDir: string;
  readonly attachments: Attachments | null;
}

/** A machine's template, checked once and held open: a new one in its place changes nothing here. */
export interface OpenOwnTemplate extends AsyncDisposable {
  /** Are the operator's files what it was made of? A guest over another disk than its own corrupts itself. */
  isCurrent(): Promise<boolean>;
  /** A fresh QEMU with the template's state, paused. @throws MACHINE_START_FAILED */
  clone(start: OwnCloneStart, signal: AbortSignal): Promise<OwnProcess>;
}

/** Reads and checks all of it: about 0.2 s per 100 MB. @throws TEMPLATE_FAILED naming the file and the command that helps */
export async function openOwnTemplate(
  plan: OwnPlan,
  { folder, saved }: { folder: string; saved: OwnSaved },
  signal: AbortSignal,
): Promise<OpenOwnTemplate> {
  const handles: FileHandle[] = [];
  const close = async () => {
    await Promise.allSettled(handles.map((handle) => handle.close()));
  };
  const held = async (path: string) => {
    const handle = await open(path, 'r');
    handles.push(handle);
    return handle;
  };
  const checked = async (name: string) => {
    const expected = saved.files[name];
    if (expected === undefined) return null;
    const handle = await held(join(folder, name));
    await verify(handle, { expected, path: join(folder, name) }, signal);
    return handle;
  };
  try {
    const chain: FileHandle[] = [];
    for (const { path } of plan.image.chain) chain.push(await held(path));
    const files = { chain, kernel: await checked(OWN_FILES.kernel), initrd: await checked(OWN_FILES.initrd) };
    const [disk, overlay] = [await checked(OWN_FILES.disk), await checked(OWN_FILES.overlay)];
    if (disk === null || overlay === null) throw new Error('it says nothing of its disk');
    const memory = await openMemory(folder, saved.memory, signal);
    handles.push(memory.file);
    const parts = { plan, saved, files, disk, overlay: await readFile(overlay), memory };
    return {
      isCurrent: () => isOfToday(saved),
      clone: (start, by) => clone(parts, start, by),
      [Symbol.asyncDispose]: close,
    };
  } catch (cause) {
    await close();
    signal.throwIfAborted();
    if (cause instanceof SandboxError && cause.code === 'SETUP_MISSING') throw cause;
    const { name } = plan.machine;
    throw new SandboxError(
      'TEMPLATE_FAILED',
      `the template of ${name} cannot be used: ${reason(cause)}; ${prepareHint(name)}`,
      { cause },
    );
  }
}

type Memory = { readonly file: FileHandle } & (
  { readonly form: 'mapped'; readonly state: Buffer } | { readonly form: 'loadvm' }
);

async function openMemory(folder: string, memory: OwnSaved['memory'], signal: AbortSignal): Promise<Memory> {
  if (memory.form === 'mapped') {
    const state = await readFile(join(folder, OWN_FILES.state));
    if (sha256(state) !== memory.state.digest) throw damaged(join(folder, OWN_FILES.state));
    const file = await sealedCopy(join(folder, OWN_FILES.ram), memory.ram.digest, signal);
    return { form: 'mapped', file, state };
  }
  const path = join(folder, OWN_FILES.snapshot);
  const file = await open(path, 'r');
  try {
    await verify(file, { expected: memory.snapshot, path }, signal);
    return { form: 'loadvm', file };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function verify(
  handle: FileHandle,
  { expected, path }: { expected: Part; path: string },
  signal: AbortSignal,
): Promise<void> {
  const isWhole = (await handle.stat()).size === expected.bytes;
  if (!isWhole || (await ramDigest(ourPath(handle), signal)) !== expected.digest) throw damaged(path);
}

function damaged(path: string): SandboxError {
  return new SandboxError('TEMPLATE_FAILED', `${path} is not what was saved`);
}

/** The open file by a name, wherever it is now. */
function ourPath({ fd }: FileHandle): string {
  return `/proc/self/fd/${fd}`;
}

interface Parts {
  readonly plan: OwnPlan;
  readonly saved: OwnSaved;
  readonly files: OwnFiles;
  readonly disk: FileHandle;
  /** An empty qcow2. */
  readonly overlay: Buffer;
  readonly memory: Memory;
}

async function clone(parts: Parts, start: OwnCloneStart, signal: AbortSignal): Promise<OwnProcess> {
  const { plan, saved, files, disk, memory } = parts;
  const place = { machine: start.name, runDir: start.runDir, identity: plan.identity };
  await using overlay = await namelessFile(place);
  await overlay.write(parts.overlay, 0, parts.overlay.length, 0);
  await using snapshot = memory.form === 'loadvm' ? await privateCopy(ourPath(memory.file), place) : null;
  const launched = await launchOwn(
    {
      ...{ ...start, plan, files, overlay, template: disk, kind: saved.kind },
      purpose: { kind: 'clone', form: memory.form },
      memory: snapshot ?? memory.file,
    },
    signal,
  );
  const { qemu } = launched;
  const load =
    memory.form === 'mapped'
      ? () => loadState(qemu, memory.state, signal)
      : () =>
          runJob(
            qemu.qmp,
            'snapshot-load',
            { tag: SNAPSHOT, vmstate: VM_STATE, devices: [VM_STATE] },
            signal,
          );
  await orKill(qemu, plan.machine.name, signal, load);
  return launched;
}
