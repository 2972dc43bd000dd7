import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ARCHITECTURES } from '#machinery/adapters/qemu/own/boards.js';
import { ownQemuMachinery } from '#machinery/adapters/qemu/own/own.js';
import { prepareMachine } from '#machinery/adapters/qemu/own/prepare.js';
import { anOwnQemuMachine } from '../support/own-qemu-lab.js';

const patience = () => AbortSignal.timeout(60_000);

/** Where MIPS kernels begin, as its processors see it. */
const MIPS_START = 0x80100000;
const HEADERS = 52 + 32;
const EM_MIPS = 8;

/** Elf32_Ehdr, one Elf32_Phdr, and a program that loops: what Malta takes for a kernel. Word by word, size and value. */
function mipsKernel(endian: 'big' | 'little'): Buffer {
  const loop = 0x1000ffff; // b .
  const words: readonly (readonly [bytes: 2 | 4, value: number])[] = [
    ...([
      [2, 2],
      [2, EM_MIPS],
      [4, 1],
      [4, MIPS_START],
      [4, 52],
      [4, 0],
      [4, 0],
    ] as const),
    ...([
      [2, 52],
      [2, 32],
      [2, 1],
      [2, 40],
      [2, 0],
      [2, 0],
    ] as const),
    ...([
      [4, 1],
      [4, HEADERS],
      [4, MIPS_START],
      [4, MIPS_START],
      [4, 8],
      [4, 8],
      [4, 7],
      [4, 4],
    ] as const),
    ...([
      [4, loop],
      [4, 0],
    ] as const),
  ];
  const ident = Buffer.alloc(16);
  ident.set([0x7f, 0x45, 0x4c, 0x46, 1, endian === 'big' ? 2 : 1, 1]);
  return Buffer.concat([
    ident,
    ...words.map(([bytes, value]) => {
      const word = Buffer.alloc(bytes);
      if (endian === 'big') word.writeUIntBE(value, 0, bytes);
      else word.writeUIntLE(value, 0, bytes);
      return word;
    }),
  ]);
}

/** ARM: `b .`, for its 32-bit processors and its 64-bit ones. */
const ARM_LOOP = Buffer.from('feffffea', 'hex');
const ARM64_LOOP = Buffer.from('00000014', 'hex');

const KERNELS: Readonly<Record<string, Buffer>> = {
  ...{ arm: ARM_LOOP, armwrt: ARM_LOOP, arm64: ARM64_LOOP, aarch64: ARM64_LOOP },
  ...{ mips: mipsKernel('big'), mipsel: mipsKernel('little') },
};

let folder: string;
let image: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'boards-'));
  await chmod(folder, 0o711);
  image = join(folder, 'disk.qcow2');
  await promisify(execFile)('qemu-img', ['create', '-q', '-f', 'qcow2', image, '16M']);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

// No guest runs here, but all of QEMU does: it takes the board's words, its state is saved, and loads into another.
test.each(ARCHITECTURES)(
  'a machine of the architecture %s is prepared, restored and stopped',
  async (arch) => {
    const content = KERNELS[arch];
    const kernel = content === undefined ? '' : join(folder, `kernel-${arch}`);
    if (content !== undefined) await writeFile(kernel, content);
    const machine = anOwnQemuMachine(`a-${arch}`, {
      ...{ arch, image, kernel, initrd: arch === 'arm' ? kernel : '', memory: 64, interface: 'user' },
      options: [],
    });
    const setup = { path: '', runDir: join(folder, 'run'), guestsDir: join(folder, 'guests') };
    const progress: string[] = [];
    await prepareMachine(
      { ...setup, machine, waitReady: async () => undefined, onProgress: (line) => progress.push(line) },
      patience(),
    );
    expect(progress.join('\n')).not.toContain('loadvm');
    await using machinery = await ownQemuMachinery({ ...setup, machines: [machine] }, patience());
    await machinery.prepare(machine, patience());
    expect(await machinery.state(machine)).toBe('paused');
    await machinery.start(machine, patience());
    expect(await machinery.state(machine)).toBe('running');
    expect((await machinery.screenshot(machine, patience())).toString('latin1', 0, 2)).toBe('P6');
    await machinery.stop(machine, patience());
    expect(await machinery.state(machine)).toBe('off');
  },
);
