import { spawn } from 'node:child_process';
import { createHash, type Hash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { SandboxError } from '#domain/errors.js';
import { findProgram, PATH } from './program.js';

/** Bytes read at a time; also the grain at which holes are left as holes. */
const BLOCK = 1 << 20;

const ZEROS = Buffer.alloc(BLOCK);

/** memfd_create(2) by Node's name of the processor. */
const MEMFD_CREATE: Readonly<Record<string, number>> = { x64: 319, arm64: 279 };

/**
 * Node cannot make a memfd, and Perl is on every Debian: it makes one, says its number, waits for a line, seals it
 * (F_ADD_SEALS with SEAL|SHRINK|GROW|WRITE) and waits for its end.
 */
const SEALER = `
$| = 1;
my $name = 'malkoha-ram';
my $fd = syscall($ARGV[0], $name, 3);
exit 1 if $fd < 0;
open(my $memory, '+<&=', $fd) or exit 1;
print "$fd\\n";
defined <STDIN> or exit 0;
defined fcntl($memory, 1033, 15) or exit 1;
print "sealed\\n";
<STDIN>;
`;

/**
 * SHA-256 over the blocks of a sparse file that are not all zero, each preceded by its offset (uint64, big-endian):
 * holes and zeros are the same, and cost next to nothing.
 */
export async function ramDigest(path: string, signal: AbortSignal): Promise<string> {
  await using file = await open(path, 'r');
  const hash = createHash('sha256');
  for await (const { offset, block } of dataBlocks(file, signal)) add(hash, offset, block);
  return hash.digest('hex');
}

/**
 * A copy of the file in memory that nobody can change any more, as root or otherwise, and its digest.
 *
 * QEMU before 8.2 opens guest RAM for writing even if it then maps it privately, so any file it can use is a file
 * that a guest which broke out could change for all guests after it. A sealed memfd opens for writing and cannot be
 * written. Other processes may have the handle: it is read-only too.
 *
 * @throws TEMPLATE_FAILED when the content is not that of `digest`, SETUP_MISSING where no memory can be sealed
 */
export async function sealedCopy(path: string, digest: string, signal: AbortSignal): Promise<FileHandle> {
  await using sealer = await startSealer();
  const hash = createHash('sha256');
  {
    await using memory = await open(sealer.path, 'r+');
    await using file = await open(path, 'r');
    await memory.truncate((await file.stat()).size);
    for await (const { offset, block } of dataBlocks(file, signal)) {
      add(hash, offset, block);
      await memory.write(block, 0, block.length, offset);
    }
  }
  if (hash.digest('hex') !== digest) {
    throw new SandboxError('TEMPLATE_FAILED', `${path} is not what was saved: its digest differs`);
  }
  await sealer.seal();
  return await open(sealer.path, 'r');
}

async function* dataBlocks(file: FileHandle, signal: AbortSignal) {
  const buffer = Buffer.allocUnsafe(BLOCK);
  for (let offset = 0; ;) {
    signal.throwIfAborted();
    const { bytesRead } = await file.read(buffer, 0, BLOCK, offset);
    if (bytesRead === 0) return;
    const block = buffer.subarray(0, bytesRead);
    if (!block.equals(ZEROS.subarray(0, bytesRead))) yield { offset, block };
    offset += bytesRead;
  }
}

function add(hash: Hash, offset: number, block: Buffer): void {
  const at = Buffer.alloc(8);
  at.writeBigUInt64BE(BigInt(offset));
  hash.update(at).update(block);
}

interface Sealer extends AsyncDisposable {
  /** The memory, as long as the sealer lives. */
  readonly path: string;
  seal(): Promise<void>;
}

async function startSealer(): Promise<Sealer> {
  const call = MEMFD_CREATE[process.arch];
  if (call === undefined) {
    throw new SandboxError('SETUP_MISSING', `no way to seal memory on ${process.arch} is known`);
  }
  const perl = await findProgram('perl', 'perl-base');
  const child = spawn(perl, ['-e', SEALER, String(call)], {
    env: { PATH },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.stdin.on('error', () => undefined); // it ended early: the next line read says so
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async () => {
    const line = await lines.next();
    if (line.done === true) throw new SandboxError('SETUP_MISSING', 'this kernel refuses to seal memory');
    return line.value;
  };
  const stop = async () => {
    child.stdin.end();
    child.kill('SIGKILL');
    await ended;
  };
  try {
    const fd = Number(await nextLine());
    return {
      path: `/proc/${child.pid}/fd/${fd}`,
      async seal() {
        child.stdin.write('seal\n');
        await nextLine();
      },
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
