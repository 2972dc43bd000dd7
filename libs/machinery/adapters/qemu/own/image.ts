import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { z } from 'zod';
import { reason, SandboxError } from '#domain/errors.js';
import { output } from '../program.js';

export interface DiskFile {
  /** Absolute. */
  readonly path: string;
  readonly format: 'qcow2' | 'raw';
}

export interface DiskImage {
  /** The image, then what it is based on, if anything. */
  readonly chain: readonly DiskFile[];
  /** Of the disk that the guest sees, bytes. */
  readonly size: number;
  readonly snapshots: readonly { readonly name: string; readonly hasMemory: boolean }[];
}

/** Images based on images are seldom deeper than three. */
const MAX_CHAIN = 32;

const info = z.array(
  z.object({
    filename: z.string(),
    format: z.string(),
    'virtual-size': z.int().nonnegative(),
    snapshots: z.array(z.object({ name: z.string(), 'vm-state-size': z.number() })).default([]),
    'format-specific': z
      .object({ data: z.object({ 'data-file': z.string().optional() }).optional() })
      .optional(),
  }),
);

/** What `qemu-img` says of an image. @throws CONFIG_INVALID naming the file */
export async function readImage(qemuImg: string, path: string, signal: AbortSignal): Promise<DiskImage> {
  const layers = await ask(qemuImg, path, signal);
  const [top] = layers;
  if (top === undefined || layers.length > MAX_CHAIN) {
    throw refused(path, `it is based on more than ${MAX_CHAIN} other images`);
  }
  return {
    chain: layers.map((layer) => {
      const { format, filename } = layer;
      if (format !== 'qcow2' && format !== 'raw') {
        throw refused(path, `${filename} is of the format ${format}: qcow2 and raw are accepted`);
      }
      if (layer['format-specific']?.data?.['data-file'] !== undefined) {
        throw refused(path, `${filename} keeps its data in another file: convert it with qemu-img convert`);
      }
      return { path: resolve(filename), format };
    }),
    size: top['virtual-size'],
    snapshots: top.snapshots.map(({ name, ...rest }) => ({ name, hasMemory: rest['vm-state-size'] > 0 })),
  };
}

async function ask(qemuImg: string, path: string, signal: AbortSignal) {
  try {
    if (!(await stat(path)).isFile()) throw new Error('it is no regular file');
    const args = ['info', '--output=json', '--backing-chain', path];
    return info.parse(JSON.parse(await output(qemuImg, args, signal)));
  } catch (cause) {
    signal.throwIfAborted();
    const { stderr } = cause as { stderr?: unknown };
    const said = typeof stderr === 'string' && stderr.trim() !== '' ? stderr.trim() : reason(cause);
    throw new SandboxError('CONFIG_INVALID', `image ${path} cannot be used: ${said.slice(0, 300)}`);
  }
}

function refused(path: string, why: string): SandboxError {
  return new SandboxError('CONFIG_INVALID', `image ${path} cannot be used: ${why}`);
}
