import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { reason, SandboxError } from '#domain/errors.js';
import { sha256 } from '../parts.js';
import { hostProcessor } from '../template.js';
import { ownHardwareArgs } from './argv.js';
import type { OwnPlan } from './plan.js';

/** Names in the folder of a machine's template. */
export const OWN_FILES = {
  about: 'template.json',
  ram: 'ram',
  state: 'state',
  snapshot: 'snapshot.qcow2',
  /** The template's layer of the disk: over the image, or under it. */
  disk: 'disk.qcow2',
  /** Empty; what each run starts with. */
  overlay: 'overlay.qcow2',
  kernel: 'kernel',
  initrd: 'initrd',
} as const;

const part = z.object({ bytes: z.int().nonnegative(), digest: z.string().length(64) });
export type Part = z.infer<typeof part>;

const source = z.object({ path: z.string(), bytes: z.int().nonnegative(), mtimeNs: z.string() });
type Source = z.infer<typeof source>;

const saved = z.object({
  qemu: z.string(),
  /** Digest of all that the guest sees. */
  hardware: z.string(),
  snapshot: z.string().nullable(),
  kind: z.enum(['disk', 'bytes']),
  /** The operator's files as they were. */
  sources: z.array(source),
  /** By name in the folder: disk, overlay, kernel and initrd when there are. */
  files: z.record(z.string(), part),
  memory: z.discriminatedUnion('form', [
    z.object({ form: z.literal('mapped'), ram: part, state: part }),
    z.object({ form: z.literal('loadvm'), snapshot: part }),
  ]),
});

/** template.json. Digests are ramDigest(), that of the device state plain SHA-256. */
export type OwnSaved = z.infer<typeof saved>;

export function folderOf(guestsDir: string, machine: string): string {
  return join(guestsDir, 'machines', machine);
}

/** What of a plan decides whether a template is of use. */
export async function circumstances(
  plan: OwnPlan,
): Promise<Pick<OwnSaved, 'qemu' | 'hardware' | 'snapshot' | 'sources'>> {
  const processor = plan.machine.enableKvm ? await hostProcessor() : '';
  // A template of a machine booted behind QEMU's user network has a section for that.
  const isUser = plan.network.kind === 'user' && plan.machine.snapshot === null;
  const seen = [ownHardwareArgs(plan), plan.isVirtio, plan.board.drive, processor, isUser];
  const { kernel, initrd } = plan;
  const paths = [...plan.image.chain.map(({ path }) => path), kernel, initrd];
  return {
    qemu: plan.program.version,
    hardware: sha256(JSON.stringify(seen)),
    snapshot: plan.machine.snapshot,
    sources: await Promise.all(paths.filter((path) => path !== null).map(sourceOf)),
  };
}

async function sourceOf(path: string): Promise<Source> {
  const { size, mtimeNs } = await stat(path, { bigint: true });
  return { path, bytes: Number(size), mtimeNs: String(mtimeNs) };
}

/** Are the operator's files still what the template was made of? */
export async function isOfToday({ sources }: OwnSaved): Promise<boolean> {
  const now = await Promise.allSettled(sources.map(({ path }) => sourceOf(path)));
  return now.every((one, at) => one.status === 'fulfilled' && isSame(one.value, sources[at]));
}

function isSame(now: Source, then: Source | undefined): boolean {
  return now.path === then?.path && now.bytes === then.bytes && now.mtimeNs === then.mtimeNs;
}

export function prepareHint(machine: string): string {
  return `run \`malkoha machine prepare ${machine}\``;
}

/** @throws SETUP_MISSING when there is no template for this plan, with why and the command that makes one */
export async function readOwnSaved(plan: OwnPlan, folder: string): Promise<OwnSaved> {
  const { name } = plan.machine;
  let kept: OwnSaved;
  try {
    kept = saved.parse(JSON.parse(await readFile(join(folder, OWN_FILES.about), 'utf8')));
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    const what = isMissing ? 'has no template yet' : `has no whole template in ${folder} (${reason(cause)})`;
    throw new SandboxError('SETUP_MISSING', `${name} ${what}: ${prepareHint(name)}`);
  }
  const why = differs(kept, await circumstances(plan));
  if (why === null) return kept;
  throw new SandboxError(
    'SETUP_MISSING',
    `${name}: ${why} since its template was made: ${prepareHint(name)}`,
  );
}

function differs(kept: OwnSaved, now: Awaited<ReturnType<typeof circumstances>>): string | null {
  if (kept.qemu !== now.qemu) return 'QEMU has changed';
  if (kept.snapshot !== now.snapshot) return 'the name of its snapshot has changed';
  if (kept.hardware !== now.hardware) return 'its settings have changed';
  const changed = now.sources.find((one, at) => !isSame(one, kept.sources[at]));
  if (changed !== undefined) return `${changed.path} has changed`;
  return kept.sources.length === now.sources.length ? null : 'its files have changed';
}
