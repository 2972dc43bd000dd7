import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { SandboxError, reason } from '#domain/errors.js';
import type { GuestHardware, TemplateForm } from './argv.js';
import type { Identity } from './identity.js';
import type { GuestFiles } from './start.js';
import type { QemuProgram } from './program.js';
import { ramDigest } from './ram.js';

export interface GuestImage extends GuestFiles {
  /** Of the recipe or of the content: another image has another one. */
  readonly hash: string;
  /** Kernel command line. */
  readonly cmdline: string;
}

const part = z.object({ bytes: z.int().nonnegative(), digest: z.string().length(64) });

/** template.json. `digest` is ramDigest() for memory, plain SHA-256 for the device state. */
const saved = z.discriminatedUnion('form', [
  z.object({ form: z.literal('mapped'), qemu: z.string(), image: z.string(), ram: part, state: part }),
  z.object({ form: z.literal('loadvm'), qemu: z.string(), image: z.string(), snapshot: part }),
]);

export type Saved = z.infer<typeof saved>;

/** File names in a template's folder. */
export const FILES = {
  about: 'template.json',
  ram: 'ram',
  state: 'state',
  snapshot: 'snapshot.qcow2',
} as const;

/** A guest that has booted and is ready for work, saved so that any number of machines can start from there. */
export interface Template {
  readonly folder: string;
  readonly saved: Saved;
  readonly image: GuestImage;
  readonly hardware: GuestHardware;
  readonly program: QemuProgram;
  /** Whom its machines run as. */
  readonly identity: Identity | null;
}

/** How guest memory comes back. */
export function formOf(template: Template): TemplateForm {
  return template.saved.form;
}

/** @throws TEMPLATE_FAILED when there is none, or it is half-made */
export async function readSaved(folder: string): Promise<Saved> {
  try {
    return saved.parse(JSON.parse(await readFile(join(folder, FILES.about), 'utf8')));
  } catch (cause) {
    throw new SandboxError('TEMPLATE_FAILED', `${folder} holds no whole template`, { cause });
  }
}

/**
 * Is the template what was saved? `quick` looks at sizes and the device state; `whole` reads all of the memory too
 * (about 0.2 s per 100 MB used). Mapped machines need no `whole` before use: opening a template copies its
 * memory to where nobody can change it, and checks the digest on the way.
 *
 * @throws TEMPLATE_FAILED naming the file
 */
export async function verifyTemplate(
  { folder, saved }: Pick<Template, 'folder' | 'saved'>,
  depth: 'quick' | 'whole',
  signal: AbortSignal,
): Promise<void> {
  if (saved.form === 'mapped') await readState(folder, saved.state);
  const [name, memory] =
    saved.form === 'mapped' ? ([FILES.ram, saved.ram] as const) : ([FILES.snapshot, saved.snapshot] as const);
  const path = join(folder, name);
  if ((await sizeOf(path)) !== memory.bytes) {
    throw new SandboxError('TEMPLATE_FAILED', `${path} has not the size it was saved with`);
  }
  if (depth === 'whole' && (await ramDigest(path, signal)) !== memory.digest) {
    throw new SandboxError('TEMPLATE_FAILED', `${path} is not what was saved: its digest differs`);
  }
}

/** Device state, 0.4 MB. @throws TEMPLATE_FAILED when it is not what was saved */
export async function readState(folder: string, expected: z.infer<typeof part>): Promise<Buffer> {
  const path = join(folder, FILES.state);
  if ((await sizeOf(path)) !== expected.bytes) {
    throw new SandboxError('TEMPLATE_FAILED', `${path} has not the size it was saved with`);
  }
  const state = await readFile(path);
  if (sha256(state) !== expected.digest) {
    throw new SandboxError('TEMPLATE_FAILED', `${path} is not what was saved: its digest differs`);
  }
  return state;
}

export function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    throw new SandboxError('TEMPLATE_FAILED', `${path} cannot be read: ${reason(error)}`, { cause: error });
  }
}
