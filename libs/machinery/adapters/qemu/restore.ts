import { randomUUID } from 'node:crypto';
import { constants, copyFile, mkdir, open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { SandboxError } from '#domain/errors.js';
import { FD } from './argv.js';
import { migrated, useMigration } from './migration.js';
import { FILES, readState, verifyTemplate, type Saved, type Template } from './parts.js';
import { startQemu, type QemuProcess } from './process.js';
import { QmpClosed } from './qmp.js';
import { sealedCopy } from './ram.js';
import { recordsFolder } from './record.js';

const KILL_TIMEOUT_MS = 10_000;

export interface CloneStart {
  readonly machine: string;
  readonly runDir: string;
  readonly wire: string | null;
}

/** A template checked once and held where nobody can change it: machines are made of it. */
export interface OpenTemplate extends AsyncDisposable {
  /** A fresh QEMU with the template's state, paused. @throws MACHINE_START_FAILED */
  clone(start: CloneStart, signal: AbortSignal): Promise<QemuProcess>;
}

/** @throws TEMPLATE_FAILED when its files are not what was saved */
export async function openTemplate(template: Template, signal: AbortSignal): Promise<OpenTemplate> {
  const { saved } = template;
  switch (saved.form) {
    case 'mapped':
      return await openMapped(template, saved, signal);
    case 'loadvm':
      await verifyTemplate(template, 'whole', signal);
      return {
        clone: (start, by) => cloneFromSnapshot(template, start, by),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      };
  }
}

async function openMapped(
  template: Template,
  saved: Extract<Saved, { form: 'mapped' }>,
  signal: AbortSignal,
): Promise<OpenTemplate> {
  const state = await readState(template.folder, saved.state);
  const memory = await sealedCopy(join(template.folder, FILES.ram), saved.ram.digest, signal);
  return {
    clone: (start, by) => cloneMapped(template, { memory, state }, start, by),
    [Symbol.asyncDispose]: () => memory.close(),
  };
}

async function cloneMapped(
  template: Template,
  { memory, state }: { memory: FileHandle; state: Buffer },
  start: CloneStart,
  signal: AbortSignal,
): Promise<QemuProcess> {
  const purpose = { kind: 'clone', form: 'mapped' } as const;
  const qemu = await startQemu(
    { ...start, ...template, files: template.image, purpose, memory: memory.fd },
    signal,
  );
  return await orKill(qemu, start.machine, signal, async () => {
    await useMigration(qemu.qmp, signal);
    const done = migrated(qemu.qmp, signal);
    await Promise.all([
      done,
      qemu.qmp
        .execute('migrate-incoming', { uri: `fd:${FD.migration}` }, signal)
        .then(() => qemu.migration.end(state)),
    ]);
  });
}

/** Loading reads and may write the file, so each clone has its own, gone with it: it has no name by then. */
async function cloneFromSnapshot(
  template: Template,
  start: CloneStart,
  signal: AbortSignal,
): Promise<QemuProcess> {
  await using snapshot = await ownCopy(template, start);
  const purpose = { kind: 'clone', form: 'loadvm' } as const;
  const qemu = await startQemu(
    { ...start, ...template, files: template.image, purpose, memory: snapshot.fd },
    signal,
  );
  // QEMU greets only after it has loaded.
  return await orKill(qemu, start.machine, signal, async () => {
    await qemu.qmp.execute('query-status', {}, signal);
  });
}

async function ownCopy({ folder, identity }: Template, { runDir, machine }: CloneStart): Promise<FileHandle> {
  await mkdir(recordsFolder(runDir), { recursive: true });
  const path = join(recordsFolder(runDir), `${machine}-${randomUUID()}.qcow2`);
  try {
    await copyFile(join(folder, FILES.snapshot), path, constants.COPYFILE_FICLONE);
    const file = await open(path, 'r+');
    await file.chmod(0o600);
    if (identity !== null) await file.chown(identity.uid, identity.gid);
    return file;
  } finally {
    await rm(path, { force: true });
  }
}

async function orKill(
  qemu: QemuProcess,
  machine: string,
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<QemuProcess> {
  try {
    await work();
    return qemu;
  } catch (error) {
    // A closed channel says nothing; the process that closed it does.
    const cause = error instanceof QmpClosed ? new Error((await qemu.endedSoon()) ?? error.message) : error;
    await qemu.kill(AbortSignal.timeout(KILL_TIMEOUT_MS));
    signal.throwIfAborted();
    throw new SandboxError('MACHINE_START_FAILED', `${machine}: its template did not load`, { cause });
  }
}
