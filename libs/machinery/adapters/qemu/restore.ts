import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { loadState } from './migration.js';
import { FILES, readState, verifyTemplate, type Saved, type Template } from './parts.js';
import { orKill, type QemuProcess } from './process.js';
import { startQemu } from './start.js';
import { privateCopy } from './private-copy.js';
import { sealedCopy } from './ram.js';

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
  return await orKill(qemu, start.machine, signal, () => loadState(qemu, state, signal));
}

/** Loading reads and may write the file, so each clone has its own, gone with it: it has no name by then. */
async function cloneFromSnapshot(
  template: Template,
  start: CloneStart,
  signal: AbortSignal,
): Promise<QemuProcess> {
  await using snapshot = await privateCopy(join(template.folder, FILES.snapshot), { ...start, ...template });
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
