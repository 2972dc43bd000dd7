import { mkdir, mkdtemp, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { reason, SandboxError } from '#domain/errors.js';
import { linkedSignal } from '../../linked-signal.js';
import { untilSettled } from '../../until.js';
import type { Accelerator } from './argv.js';
import { unprivileged } from './identity.js';
import type { GuestImage } from './parts.js';
import { MARKER, probeInitramfs } from './probe-image.js';
import { startQemu } from './start.js';
import { findQemu, type QemuProgram } from './program.js';

export interface AcceleratorChoice {
  readonly accelerator: Accelerator;
  /** One line for people. */
  readonly reason: string;
}

export interface AcceleratorWanted {
  readonly image: Pick<GuestImage, 'kernel' | 'root' | 'hash'>;
  /** The verdict is kept here until the host boots again or QEMU changes. */
  readonly dir: string;
  /** What the operator asked for; `auto` = by proof. */
  readonly wanted?: Accelerator | 'auto';
  readonly onProgress: (line: string) => void;
  readonly signal: AbortSignal;
}

/** A working KVM reaches user mode in about a second; one that hangs never does. */
const PROBE_TIMEOUT_MS = 8_000;

const KILL_TIMEOUT_MS = 10_000;

/** Enough for any kernel of a distribution. */
const PROBE_MEMORY_MB = 256;

/**
 * By proof: KVM only if the guest's kernel reached user mode under it, TCG otherwise: a /dev/kvm that opens and then hangs
 * every guest exists, in nested clouds for one.
 *
 * @throws SETUP_MISSING when this QEMU has neither, or not the one asked for
 */
export async function chooseAccelerator(wanted: AcceleratorWanted): Promise<AcceleratorChoice> {
  const program = await findQemu(wanted.signal);
  if (wanted.wanted === 'tcg' && program.accelerators.includes('tcg')) {
    return { accelerator: 'tcg', reason: 'using TCG, as configured' };
  }
  const cached = await readVerdict(wanted, program);
  const choice = cached ?? (await probe(wanted, program));
  if (wanted.wanted === 'kvm' && choice.accelerator !== 'kvm') {
    throw new SandboxError('SETUP_MISSING', `KVM is configured, but ${choice.reason}`);
  }
  if (choice.accelerator === 'tcg' && !program.accelerators.includes('tcg')) {
    throw new SandboxError(
      'SETUP_MISSING',
      `no way to run a guest: ${choice.reason}, and ${program.path} has no TCG`,
    );
  }
  if (cached === null) await writeVerdict(wanted, program, choice);
  return choice;
}

async function probe(wanted: AcceleratorWanted, program: QemuProgram): Promise<AcceleratorChoice> {
  const { image, signal } = wanted;
  try {
    await openKvm();
    wanted.onProgress('trying the guest kernel under KVM');
    await probeBoot(image, program, 'kvm', signal);
    return { accelerator: 'kvm', reason: 'using KVM: the guest kernel boots under it' };
  } catch (error) {
    signal.throwIfAborted();
    return {
      accelerator: 'tcg',
      reason: `using TCG, emulation, as KVM does not work here: ${reason(error)}`,
    };
  }
}

async function openKvm(): Promise<void> {
  try {
    await using _device = await open('/dev/kvm', 'r+');
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw new Error(missing ? 'this host has no KVM' : '/dev/kvm does not open', { cause });
  }
}

/**
 * Boots the kernel with an initramfs that only says so, exactly as unprivileged as guests will be.
 *
 * @throws Error with why it did not get there
 */
export async function probeBoot(
  image: AcceleratorWanted['image'],
  program: QemuProgram,
  accelerator: Accelerator,
  signal: AbortSignal,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'malkoha-probe-'));
  try {
    const initrd = join(folder, 'initrd');
    await writeFile(initrd, probeInitramfs(), { mode: 0o644 });
    const qemu = await startQemu(
      {
        ...{ program, runDir: folder, machine: `probe-${accelerator}`, memory: null, wire: null },
        identity: await unprivileged(),
        hardware: { accelerator, memoryMb: PROBE_MEMORY_MB, cmdline: 'console=ttyS0 quiet' },
        files: { kernel: image.kernel, root: image.root, initrd },
        purpose: { kind: 'template', form: 'loadvm' },
      },
      signal,
    );
    try {
      using patience = linkedSignal([signal], PROBE_TIMEOUT_MS);
      await untilSettled(qemu.ended, patience.signal).catch(() => undefined);
      signal.throwIfAborted();
      if (!qemu.console.text.includes(MARKER)) {
        throw new Error(
          `the guest kernel did not reach user mode under ${accelerator.toUpperCase()} ` +
            `within ${PROBE_TIMEOUT_MS / 1000} s${qemu.console.lastLines()}`,
        );
      }
    } finally {
      await qemu.kill(AbortSignal.timeout(KILL_TIMEOUT_MS));
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const verdict = z.object({
  bootId: z.string(),
  qemu: z.string(),
  image: z.string(),
  uid: z.number(),
  accelerator: z.enum(['kvm', 'tcg']),
  reason: z.string(),
});

const VERDICT_FILE = 'accelerator.json';

async function readVerdict(
  { dir, image }: AcceleratorWanted,
  program: QemuProgram,
): Promise<AcceleratorChoice | null> {
  try {
    const kept = verdict.parse(JSON.parse(await readFile(join(dir, VERDICT_FILE), 'utf8')));
    const now = await circumstances(image, program);
    const same = Object.entries(now).every(([key, value]) => kept[key as keyof typeof now] === value);
    return same ? { accelerator: kept.accelerator, reason: kept.reason } : null;
  } catch {
    return null; // none yet, or not readable: a probe costs seconds
  }
}

async function writeVerdict(
  { dir, image }: AcceleratorWanted,
  program: QemuProgram,
  choice: AcceleratorChoice,
): Promise<void> {
  const path = join(dir, VERDICT_FILE);
  await mkdir(dir, { recursive: true });
  await writeFile(`${path}.new`, JSON.stringify({ ...(await circumstances(image, program)), ...choice }));
  await rename(`${path}.new`, path);
}

async function circumstances({ hash }: { hash: string }, program: QemuProgram) {
  const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  return { bootId, qemu: program.version, image: hash, uid: process.getuid?.() ?? -1 };
}
