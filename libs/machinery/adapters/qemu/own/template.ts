import { chmod, mkdir, mkdtemp, open, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { reason, SandboxError } from '#domain/errors.js';
import { linkedSignal } from '../../../linked-signal.js';
import type { TemplateForm } from '../argv.js';
import { saveState } from '../migration.js';
import { sha256 } from '../parts.js';
import type { QemuProcess } from '../process.js';
import { ramDigest } from '../ram.js';
import { saveSnapshot } from '../snapshot.js';
import { ORIGIN } from './argv.js';
import type { AgentAddress, Attachments } from './attach.js';
import { ownFiles, img, makeLayer } from './files.js';
import { launchOwn } from './launch.js';
import type { OwnQemuMachine } from './machine.js';
import { circumstances, OWN_FILES, type OwnSaved, type Part } from './parts.js';
import type { OwnPlan } from './plan.js';
import { openOwnTemplate } from './restore.js';

export interface OwnTemplateWanted {
  readonly plan: OwnPlan;
  /** Where the template goes; what is there is replaced. */
  readonly folder: string;
  readonly runDir: string;
  readonly attachments: Attachments;
  /**
   * Resolves when the machine's agent has answered; `agent` is null behind a wire. Null: nobody can ask, so an image
   * without a snapshot cannot be prepared, and that a restored machine loads must do as a check.
   */
  readonly waitReady:
    ((machine: OwnQemuMachine, agent: AgentAddress | null, signal: AbortSignal) => Promise<unknown>) | null;
  onProgress(line: string): void;
}

/** Windows boots for minutes under TCG. */
const BOOT_TIMEOUT_MS = 900_000;

/** A snapshot of gigabytes loads for a minute from a slow disk. */
const SNAPSHOT_TIMEOUT_MS = 300_000;

const CHECK_TIMEOUT_MS = 120_000;
const KILL_TIMEOUT_MS = 10_000;

/**
 * Makes the template of a machine: goes to its snapshot, or boots it and waits for its agent, and saves that. The
 * operator's image is only read.
 *
 * @throws TEMPLATE_FAILED, CONFIG_INVALID when there is nothing to tell when the guest is ready
 */
export async function makeOwnTemplate(wanted: OwnTemplateWanted, signal: AbortSignal): Promise<OwnSaved> {
  const { plan, folder } = wanted;
  const { name, snapshot } = plan.machine;
  if (snapshot === null && wanted.waitReady === null) {
    throw new SandboxError(
      'CONFIG_INVALID',
      `nobody can tell when ${name} has booted: save a snapshot in its image, and name it with snapshot = …`,
    );
  }
  await mkdir(dirname(folder), { recursive: true });
  try {
    return await makeEither(wanted, signal);
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof SandboxError && ['SETUP_MISSING', 'CONFIG_INVALID'].includes(cause.code))
      throw cause;
    throw new SandboxError('TEMPLATE_FAILED', `no template of ${name} could be made: ${reason(cause)}`, {
      cause,
    });
  }
}

/** What was saved does not come back. */
class CheckFailed extends Error {
  override readonly name = 'CheckFailed';
}

async function makeEither(wanted: OwnTemplateWanted, signal: AbortSignal): Promise<OwnSaved> {
  if (wanted.plan.board.ram === null) return await make(wanted, 'loadvm', signal);
  try {
    return await make(wanted, 'mapped', signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof CheckFailed)) throw error;
    const why = reason(error.cause);
    wanted.onProgress(`restoring from mapped memory does not work (${why}); using loadvm, which is slower`);
  }
  return await make(wanted, 'loadvm', signal);
}

/** Made in a folder beside it and renamed: a template is whole or not there. */
async function make(wanted: OwnTemplateWanted, form: TemplateForm, signal: AbortSignal): Promise<OwnSaved> {
  const { plan, folder } = wanted;
  const made = await mkdtemp(join(dirname(folder), '.new-'));
  try {
    const before = await circumstances(plan);
    const parts = await bootAndSave(wanted, { folder: made, form }, signal);
    const saved: OwnSaved = { ...before, ...parts };
    await writeFile(join(made, OWN_FILES.about), `${JSON.stringify(saved, null, 2)}\n`);
    await check(wanted, { folder: made, saved }, signal);
    await chmod(made, 0o755);
    await rm(folder, { recursive: true, force: true });
    await rename(made, folder);
    return saved;
  } finally {
    await rm(made, { recursive: true, force: true });
  }
}

interface Making {
  readonly folder: string;
  readonly form: TemplateForm;
}

async function bootAndSave(
  wanted: OwnTemplateWanted,
  { folder, form }: Making,
  signal: AbortSignal,
): Promise<Pick<OwnSaved, 'kind' | 'files' | 'memory'>> {
  const { plan, runDir } = wanted;
  const { identity, machine } = plan;
  const kind = machine.snapshot === null ? 'disk' : 'bytes';
  await using files = await ownFiles(plan, folder);
  await makeLayer(plan, { kind, path: join(folder, OWN_FILES.disk) }, signal);
  await using disk = await open(join(folder, OWN_FILES.disk), 'r+');
  const memoryPath = join(folder, form === 'mapped' ? OWN_FILES.ram : OWN_FILES.snapshot);
  await using memory = await open(memoryPath, 'wx+', 0o600);
  if (form === 'mapped') await memory.truncate(plan.memory * 2 ** 20);
  if (identity !== null) await memory.chown(identity.uid, identity.gid);

  const isBoot = kind === 'disk';
  using link = linkedSignal([signal], isBoot ? BOOT_TIMEOUT_MS : SNAPSHOT_TIMEOUT_MS);
  const patience = link.signal;
  wanted.onProgress(isBoot ? `booting ${machine.name} once` : `going to its snapshot ${machine.snapshot}`);
  const { qemu, agent } = await launchOwn(
    {
      ...{ plan, kind, files, runDir, memory, template: disk, overlay: null },
      purpose: { kind: isBoot ? 'boot' : 'snapshot', form },
      name: `${machine.name}-template`,
      attachments: isBoot ? wanted.attachments : null,
    },
    patience,
  );
  let state: Buffer | null;
  let diskBytes: number;
  try {
    if (isBoot) await ready(wanted, { qemu, agent }, patience);
    else await qemu.qmp.execute('netdev_del', { id: ORIGIN }, patience);
    wanted.onProgress('saving the template');
    await qemu.qmp.execute('stop', {}, patience); // also writes what is cached of the disk
    diskBytes = await sizeOfDisk(qemu, patience);
    state = form === 'mapped' ? await saveState(qemu, patience) : null;
    if (state === null) await saveSnapshot(qemu.qmp, patience);
  } finally {
    await qemu.kill(AbortSignal.timeout(KILL_TIMEOUT_MS));
  }
  await img(
    plan,
    ['create', '-q', '-f', 'qcow2', join(folder, OWN_FILES.overlay), String(diskBytes)],
    signal,
  );
  // From here on nothing that ever ran a guest may change it.
  if (identity !== null) await memory.chown(0, 0);
  const names = [
    OWN_FILES.disk,
    OWN_FILES.overlay,
    files.kernel && OWN_FILES.kernel,
    files.initrd && OWN_FILES.initrd,
  ];
  const kept: Record<string, Part> = {};
  for (const name of names) if (name !== null) kept[name] = await seal(join(folder, name), signal);
  const memoryPart = await seal(memoryPath, signal);
  if (state === null) return { kind, files: kept, memory: { form: 'loadvm', snapshot: memoryPart } };
  await writeFile(join(folder, OWN_FILES.state), state, { mode: 0o444 });
  const statePart = { bytes: state.length, digest: sha256(state) };
  return { kind, files: kept, memory: { form: 'mapped', ram: memoryPart, state: statePart } };
}

async function seal(path: string, signal: AbortSignal): Promise<Part> {
  await using file = await open(path, 'r');
  await file.chmod(0o444);
  await file.sync();
  return { bytes: (await file.stat()).size, digest: await ramDigest(path, signal) };
}

const blocks = z.array(
  z.object({ inserted: z.object({ image: z.object({ 'virtual-size': z.int() }) }).optional() }),
);

/** The machine has one disk; its other drives, if it has any, are empty. */
async function sizeOfDisk({ qmp }: QemuProcess, signal: AbortSignal): Promise<number> {
  const drives = blocks.parse(await qmp.execute('query-block', {}, signal));
  const size = drives.find(({ inserted }) => inserted !== undefined)?.inserted?.image['virtual-size'];
  if (size === undefined) throw new Error('QEMU says that the machine has no disk');
  return size;
}

/** Restores the machine and waits until it is as ready as it was. @throws CheckFailed */
async function check(
  wanted: OwnTemplateWanted,
  made: { folder: string; saved: OwnSaved },
  signal: AbortSignal,
): Promise<void> {
  const asks = wanted.waitReady;
  wanted.onProgress(
    asks === null ? 'checking that it can be restored' : 'checking that it answers when it is restored',
  );
  using link = linkedSignal([signal], CHECK_TIMEOUT_MS);
  const patience = link.signal;
  const { plan, runDir } = wanted;
  try {
    await using template = await openOwnTemplate(plan, made, patience);
    const attachments = asks === null ? null : wanted.attachments;
    const clone = await template.clone({ name: `${plan.machine.name}-check`, runDir, attachments }, patience);
    try {
      await clone.qemu.qmp.execute('cont', {}, patience);
      if (asks !== null) await ready(wanted, clone, patience);
    } finally {
      await clone.qemu.kill(AbortSignal.timeout(KILL_TIMEOUT_MS));
    }
  } catch (cause) {
    signal.throwIfAborted();
    throw new CheckFailed('the restored machine did not become ready', { cause });
  }
}

async function ready(
  wanted: OwnTemplateWanted,
  { qemu, agent }: { qemu: QemuProcess; agent: AgentAddress | null },
  signal: AbortSignal,
): Promise<void> {
  const gone = new AbortController();
  using link = linkedSignal([signal, gone.signal], null);
  const death = qemu.ended.then((why) => Promise.reject(new Error(why)));
  try {
    await Promise.race([wanted.waitReady?.(wanted.plan.machine, agent, link.signal), death]);
  } catch (cause) {
    throw new Error(`its agent did not answer${qemu.console.lastLines()}`, { cause });
  } finally {
    gone.abort(new Error('the machine ended'));
  }
}
