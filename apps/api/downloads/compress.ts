import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { SandboxError } from '#domain/errors.js';

type Stage = (bytes: AsyncIterable<Buffer>) => AsyncIterable<Buffer>;

/** `?tar=`: what packs an archive, by the end of its name. */
export const COMPRESSIONS = {
  'tar.bz2': bzip2,
  'tar.gz': gzip,
  tar: (bytes) => bytes,
} as const satisfies Record<string, Stage>;

export type Compression = keyof typeof COMPRESSIONS;

async function* gzip(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const packer = createGzip();
  const fed = pipeline(bytes, packer);
  const settled = Promise.allSettled([fed]);
  try {
    yield* packer as AsyncIterable<Buffer>;
    await fed;
  } finally {
    packer.destroy();
    await settled;
  }
}

/** By the program: Node has no bzip2, and packing is work for a process of its own. @throws SETUP_MISSING */
async function* bzip2(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  // Without $BZIP2 and $BZIP, which the program takes options from.
  const env = { PATH: process.env['PATH'] };
  const child = spawn('bzip2', ['--compress', '--stdout'], { stdio: ['pipe', 'pipe', 'ignore'], env });
  const ended = once(child, 'close') as Promise<[number | null]>;
  const fed = pipeline(bytes, child.stdin);
  const settled = Promise.allSettled([ended, fed]);
  let isWhole = false;
  try {
    yield* child.stdout as AsyncIterable<Buffer>;
    isWhole = true;
  } finally {
    if (!isWhole) child.kill('SIGKILL');
    await settled;
  }
  const [code] = await ended.catch((cause: unknown) => {
    throw new SandboxError(
      'SETUP_MISSING',
      'The program bzip2 could not be started; run as root: apt-get install bzip2, or ask with ?tar=gz',
      { cause },
    );
  });
  if (code !== 0) throw new SandboxError('INTERNAL', `bzip2 ended with ${code ?? 'a signal'}`);
  await fed;
}
