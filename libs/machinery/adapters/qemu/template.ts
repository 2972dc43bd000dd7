import {
  chmod,
  mkdir,
  mkdtemp,
  open,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { reason, SandboxError } from '#domain/errors.js';
import { linkedSignal } from '../../linked-signal.js';
import { hardwareArgs, type Accelerator, type GuestHardware, type TemplateForm } from './argv.js';
import { unprivileged } from './identity.js';
import { saveState } from './migration.js';
import {
  FILES,
  readSaved,
  sha256,
  verifyTemplate,
  type GuestImage,
  type Saved,
  type Template,
} from './parts.js';
import type { QemuProcess } from './process.js';
import { startQemu } from './start.js';
import { findQemu, type QemuProgram } from './program.js';
import { ramDigest } from './ram.js';
import { openTemplate } from './restore.js';
import { saveSnapshot } from './snapshot.js';

export interface TemplateWanted {
  readonly image: GuestImage;
  /** Holds one folder per template. */
  readonly dir: string;
  /** Holds records and work folders while guests run; see reapOrphans(). */
  readonly runDir: string;
  readonly memoryMb: number;
  readonly accelerator: Accelerator;
  /** Wires a guest: the unix socket its network card connects to. Called once per guest booted or restored. */
  wire(machine: string): Promise<string>;
  /** Resolves when the agent of that guest has answered, and everything that later runs should find warm is warm. */
  waitReady(machine: string, signal: AbortSignal): Promise<unknown>;
  onProgress(line: string): void;
}

/** Names that `wire` and `waitReady` hear for the guest that is saved and for the one that proves it. */
export const TEMPLATE_GUEST = 'template';
export const CHECK_GUEST = 'template-check';

/** A boot takes 4–15 s under TCG on an idle host. */
const BOOT_TIMEOUT_MS = 300_000;

/** A restored guest answers in a quarter of a second. */
const CHECK_TIMEOUT_MS = 60_000;

const KILL_TIMEOUT_MS = 10_000;

/**
 * The template for this image, this QEMU and this hardware: the one made before, or a new one. It is only kept once a
 * guest restored from it has become ready. Where that fails with mapped memory, `loadvm` takes its place.
 *
 * @throws TEMPLATE_FAILED when neither form works, SETUP_MISSING without QEMU
 */
export async function ensureTemplate(wanted: TemplateWanted, signal: AbortSignal): Promise<Template> {
  const { image, accelerator, memoryMb } = wanted;
  const program = await findQemu(signal);
  const hardware = { accelerator, memoryMb, cmdline: image.cmdline };
  const folder = join(wanted.dir, await templateKey(image, program, hardware));
  const plan = { image, hardware, program, identity: await unprivileged() };

  const kept = await existing(folder, wanted, signal);
  if (kept !== null) return { ...plan, folder, saved: kept };

  await mkdir(wanted.dir, { recursive: true });
  const saved = await makeEither(wanted, { ...plan, folder }, signal);
  await removeStale(wanted.dir, saved);
  return { ...plan, folder, saved };
}

async function existing(folder: string, wanted: TemplateWanted, signal: AbortSignal): Promise<Saved | null> {
  if (!(await exists(folder))) return null;
  try {
    const saved = await readSaved(folder);
    await verifyTemplate({ folder, saved }, 'quick', signal);
    return saved;
  } catch (error) {
    signal.throwIfAborted();
    wanted.onProgress(`the guest template is damaged and is made again: ${reason(error)}`);
    await rm(folder, { recursive: true, force: true });
    return null;
  }
}

type Plan = Omit<Template, 'saved'>;

async function makeEither(wanted: TemplateWanted, plan: Plan, signal: AbortSignal): Promise<Saved> {
  try {
    return await make(wanted, plan, 'mapped', signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof CheckFailed)) throw failed(plan.folder, error);
    wanted.onProgress(
      `restoring from mapped memory does not work here (${reason(error.cause)}); using loadvm, which is slower`,
    );
  }
  try {
    return await make(wanted, plan, 'loadvm', signal);
  } catch (error) {
    signal.throwIfAborted();
    throw failed(plan.folder, error);
  }
}

function failed(folder: string, cause: unknown): SandboxError {
  if (cause instanceof SandboxError && cause.code === 'SETUP_MISSING') return cause;
  return new SandboxError('TEMPLATE_FAILED', `no guest template could be made in ${folder}`, { cause });
}

/** The guest booted, but what was saved of it does not come back. */
class CheckFailed extends Error {
  override readonly name = 'CheckFailed';
}

/** Made in a folder beside it and renamed: a template is whole or not there. */
async function make(
  wanted: TemplateWanted,
  plan: Plan,
  form: TemplateForm,
  signal: AbortSignal,
): Promise<Saved> {
  const folder = await mkdtemp(join(wanted.dir, '.new-'));
  try {
    const saved = await bootAndSave(wanted, { ...plan, folder }, form, signal);
    await writeFile(join(folder, FILES.about), `${JSON.stringify(saved, null, 2)}\n`);
    await check(wanted, { ...plan, folder, saved }, signal);
    await chmod(folder, 0o755);
    await putInPlace(folder, plan.folder);
    return saved;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function bootAndSave(
  wanted: TemplateWanted,
  plan: Plan,
  form: TemplateForm,
  signal: AbortSignal,
): Promise<Saved> {
  wanted.onProgress('booting the guest once to take its template');
  const path = join(plan.folder, form === 'mapped' ? FILES.ram : FILES.snapshot);
  await using memory = await open(path, 'wx+', 0o600);
  if (form === 'mapped') await memory.truncate(plan.hardware.memoryMb << 20);
  if (plan.identity !== null) await memory.chown(plan.identity.uid, plan.identity.gid);
  using link = linkedSignal([signal], BOOT_TIMEOUT_MS);
  const patience = link.signal;
  const wire = await wanted.wire(TEMPLATE_GUEST);
  const qemu = await startQemu(
    {
      ...plan,
      files: plan.image,
      purpose: { kind: 'template', form },
      memory: memory.fd,
      machine: TEMPLATE_GUEST,
      runDir: wanted.runDir,
      wire,
    },
    patience,
  );
  let state: Buffer | null;
  try {
    await ready(wanted, qemu, TEMPLATE_GUEST, patience);
    wanted.onProgress('saving the template');
    await qemu.qmp.execute('stop', {}, patience);
    state = form === 'mapped' ? await saveState(qemu, patience) : null;
    if (state === null) await saveSnapshot(qemu.qmp, patience);
  } finally {
    await qemu.kill(AbortSignal.timeout(KILL_TIMEOUT_MS));
  }
  // From here on nothing that ever ran a guest may change it.
  if (plan.identity !== null) await memory.chown(0, 0);
  await memory.chmod(0o444);
  await memory.sync();

  const about = { qemu: plan.program.version, image: plan.image.hash };
  const part = { bytes: (await memory.stat()).size, digest: await ramDigest(path, signal) };
  if (state === null) return { form: 'loadvm', ...about, snapshot: part };
  await writeFile(join(plan.folder, FILES.state), state, { mode: 0o444 });
  return { form: 'mapped', ...about, ram: part, state: { bytes: state.length, digest: sha256(state) } };
}

/** Restores a guest and waits until it is as ready as the saved one was. @throws CheckFailed */
async function check(wanted: TemplateWanted, template: Template, signal: AbortSignal): Promise<void> {
  wanted.onProgress('checking that a guest restored from the template answers');
  using link = linkedSignal([signal], CHECK_TIMEOUT_MS);
  const patience = link.signal;
  try {
    await using source = await openTemplate(template, patience);
    const wire = await wanted.wire(CHECK_GUEST);
    const qemu = await source.clone({ machine: CHECK_GUEST, runDir: wanted.runDir, wire }, patience);
    try {
      await qemu.qmp.execute('cont', {}, patience);
      await ready(wanted, qemu, CHECK_GUEST, patience);
    } finally {
      await qemu.kill(AbortSignal.timeout(KILL_TIMEOUT_MS));
    }
  } catch (cause) {
    signal.throwIfAborted();
    throw new CheckFailed('the restored guest did not become ready', { cause });
  }
}

async function ready(
  wanted: TemplateWanted,
  qemu: QemuProcess,
  machine: string,
  signal: AbortSignal,
): Promise<void> {
  const gone = new AbortController();
  using link = linkedSignal([signal, gone.signal], null);
  const death = qemu.ended.then((why) => Promise.reject(new Error(why)));
  try {
    await Promise.race([wanted.waitReady(machine, link.signal), death]);
  } catch (cause) {
    throw new Error(`the guest did not become ready${qemu.console.lastLines()}`, { cause });
  } finally {
    gone.abort(new Error('the guest ended'));
  }
}

/** Another process may have made the same template meanwhile: either is good. */
async function putInPlace(made: string, folder: string): Promise<void> {
  try {
    await rename(made, folder);
  } catch (error) {
    if (!(await exists(folder))) throw error;
  }
}

/** A template of another image or another QEMU is of no use any more; each takes hundreds of megabytes. */
async function removeStale(dir: string, current: Saved): Promise<void> {
  for (const name of await readdir(dir)) {
    const folder = join(dir, name);
    if (!/^[0-9a-f]{16}$/.test(name)) continue;
    try {
      const { qemu, image } = await readSaved(folder);
      if (qemu === current.qemu && image === current.image) continue;
    } catch {
      // not readable by us: not of use to us
    }
    await rm(folder, { recursive: true, force: true });
  }
}

/** Device state only loads into the same QEMU with the same devices; `-cpu host` only into the same processor. */
async function templateKey(
  image: GuestImage,
  program: QemuProgram,
  hardware: GuestHardware,
): Promise<string> {
  const processor = hardware.accelerator === 'kvm' ? await hostProcessor() : '';
  return sha256(JSON.stringify([image.hash, program.version, hardwareArgs(hardware), processor])).slice(
    0,
    16,
  );
}

export async function hostProcessor(): Promise<string> {
  const lines = (await readFile('/proc/cpuinfo', 'utf8')).split('\n');
  return lines
    .filter((line) => /^(model name|flags)\s/.test(line))
    .slice(0, 2)
    .join('\n');
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}
