import { execFile } from 'node:child_process';
import { chmod, copyFile, open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { reason, SandboxError } from '#domain/errors.js';
import { PATH } from '../program.js';
import { OWN_FILES, type OwnSaved } from './parts.js';
import type { OwnPlan } from './plan.js';

const IMG_TIMEOUT_MS = 60_000;

/** Room in a layer under an image for what going to a snapshot adds to its tables, bytes. It takes none on the disk. */
const TABLE_ROOM = 1 << 30;

/** The image as it is; kernel and initrd as copies that QEMU, whoever it runs as, may open. */
export async function ownFiles(plan: OwnPlan, folder: string) {
  const handles: FileHandle[] = [];
  const held = async (path: string) => {
    const handle = await open(path, 'r');
    handles.push(handle);
    return handle;
  };
  const copied = async (from: string | null, name: string) => {
    if (from === null) return null;
    await copyFile(from, join(folder, name));
    await chmod(join(folder, name), 0o444);
    return await held(join(folder, name));
  };
  const close = async () => {
    await Promise.allSettled(handles.map((handle) => handle.close()));
  };
  try {
    const chain: FileHandle[] = [];
    for (const { path } of plan.image.chain) chain.push(await held(path));
    const kernel = await copied(plan.kernel, OWN_FILES.kernel);
    const initrd = await copied(plan.initrd, OWN_FILES.initrd);
    return { chain, kernel, initrd, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** An empty layer of a template: over the image, or under it. */
export async function makeLayer(
  plan: OwnPlan,
  { kind, path }: { kind: OwnSaved['kind']; path: string },
  signal: AbortSignal,
): Promise<void> {
  const [image] = plan.image.chain;
  if (image === undefined) throw new Error('an image without a file');
  const create = ['create', '-q', '-f', 'qcow2'];
  if (kind === 'disk') {
    await img(plan, [...create, '-b', image.path, '-F', image.format, path], signal);
    return;
  }
  await using file = await open(image.path, 'r');
  const sector = 512;
  const bytes = Math.ceil((await file.stat()).size / sector) * sector + TABLE_ROOM;
  await img(plan, [...create, path, String(bytes)], signal);
}

/** Runs qemu-img. @throws TEMPLATE_FAILED with what it said */
export async function img({ qemuImg }: OwnPlan, args: readonly string[], signal: AbortSignal): Promise<void> {
  try {
    await promisify(execFile)(qemuImg, args, { env: { PATH, LC_ALL: 'C' }, timeout: IMG_TIMEOUT_MS, signal });
  } catch (cause) {
    signal.throwIfAborted();
    const { stderr } = cause as { stderr?: unknown };
    const said = typeof stderr === 'string' && stderr !== '' ? stderr.trim() : reason(cause);
    throw new SandboxError('TEMPLATE_FAILED', `qemu-img ${args[0]}: ${said.slice(0, 300)}`);
  }
}
