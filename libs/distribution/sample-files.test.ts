import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { SampleFiles } from './sample-files.js';

const SHA256_ABC = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
const SHA256_NONE = createHash('sha256').digest('hex');
const never = new AbortController().signal;

let dir: string;
let folder: string;
let needed: Set<string>;
/** What happens while it is asked who needs a file. */
let meanwhile: () => Promise<void>;
let samples: SampleFiles;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'malkoha-samples-'));
  folder = join(dir, 'below', 'samples');
  needed = new Set();
  meanwhile = async () => {};
  samples = new SampleFiles(folder, async (hashes) => {
    const answer = new Set(hashes.filter((one) => needed.has(one)));
    await meanwhile();
    return answer;
  });
});
afterEach(() => rm(dir, { recursive: true }));

async function* chunks(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text);
}
const store = (...texts: string[]) => samples.store(chunks(...texts), 10, never);
const names = () => readdir(folder);

test('a sample is there under its hash while a task needs it', async () => {
  const held = await store('a', 'bc');
  expect(held).toMatchObject({ sha256: SHA256_ABC, size: 3 });
  expect(await readFile(samples.path(SHA256_ABC), 'utf8')).toBe('abc');
  expect((await stat(folder)).mode & 0o777).toBe(0o700);
  needed.add(SHA256_ABC);
  await held[Symbol.asyncDispose]();
  expect(await names()).toEqual([SHA256_ABC]);
  await samples.remove(SHA256_ABC);
  expect(await names()).toEqual([SHA256_ABC]);
  needed.clear();
  await samples.remove(SHA256_ABC);
  await samples.remove(SHA256_ABC);
  expect(await names()).toEqual([]);
});

test('nothing is left of a submission that came to nothing', async () => {
  await (await store('abc'))[Symbol.asyncDispose]();
  expect(await store()).toMatchObject({ sha256: SHA256_NONE, size: 0 });
  await (await store())[Symbol.asyncDispose]();
  await expect(store('12345', '67890', '1')).rejects.toMatchObject({ code: 'UPLOAD_TOO_LARGE' });
  await expect(samples.store(chunks('abc'), 10, AbortSignal.abort(new Error('gone')))).rejects.toThrow(
    'gone',
  );
  expect((await names()).filter((name) => name !== SHA256_NONE && !name.startsWith('.upload-'))).toEqual([]);
});

test('a file that comes to be needed while it is removed stays', async () => {
  await writeFile(join(await made(), SHA256_ABC), 'abc');
  let looks = 0;
  // The task is committed after the first look: the second one sees it.
  meanwhile = async () => {
    looks += 1;
    needed.add(SHA256_ABC);
  };
  await samples.remove(SHA256_ABC);
  expect(looks).toBe(2);
  expect(await names()).toEqual([SHA256_ABC]);
});

test('a file that is removed between its upload and the commit of its task is there after it', async () => {
  const held = await store('abc');
  await samples.remove(SHA256_ABC);
  await expect(readFile(samples.path(SHA256_ABC))).rejects.toMatchObject({ code: 'ENOENT' });
  needed.add(SHA256_ABC);
  await held[Symbol.asyncDispose]();
  expect(await readFile(samples.path(SHA256_ABC), 'utf8')).toBe('abc');
  expect(await names()).toEqual([SHA256_ABC]);
});

test('a file stays when it cannot be known who needs it', async () => {
  const held = await store('abc');
  let looks = 0;
  meanwhile = async () => {
    if (++looks === 2) throw new Error('database away');
  };
  await expect(samples.remove(SHA256_ABC)).rejects.toThrow('database away');
  expect(await readFile(samples.path(SHA256_ABC), 'utf8')).toBe('abc');
  looks = 1;
  await held[Symbol.asyncDispose](); // never throws
  expect(await names()).toEqual([SHA256_ABC]);
});

test('what killed processes left is swept, what is needed or new is not', async () => {
  const held = await store('abc');
  await samples.sweep(never);
  expect(await names()).toContain(SHA256_ABC);
  needed.add(SHA256_ABC);
  await held[Symbol.asyncDispose]();
  const taken = join(folder, `.taken-${SHA256_ABC}.x`);
  await rename(samples.path(SHA256_ABC), taken);
  await writeFile(join(folder, `.taken-${SHA256_NONE}.x`), '');
  await writeFile(join(folder, '.upload-old'), '');
  await writeFile(join(folder, 'not ours'), '');
  await utimes(join(folder, '.upload-old'), 0, 0);
  await writeFile(join(folder, SHA256_NONE), '');
  await samples.sweep(never);
  expect((await names()).toSorted()).toEqual(
    [`.taken-${SHA256_ABC}.x`, `.taken-${SHA256_NONE}.x`, SHA256_NONE, 'not ours'].toSorted(),
  );
  await samples.sweep(never, Date.now() + 2 * 3_600_000);
  expect((await names()).toSorted()).toEqual([SHA256_ABC, 'not ours'].toSorted());
});

test('a sweep asks once for all that is old, and ends when it is told to', async () => {
  const hashes = Array.from({ length: 50 }, (_, n) => createHash('sha256').update(`${n}`).digest('hex'));
  await made();
  for (const sha256 of hashes) await writeFile(join(folder, sha256), '');
  for (const sha256 of hashes.slice(0, 49)) needed.add(sha256);
  let looks = 0;
  meanwhile = async () => void (looks += 1);
  const later = Date.now() + 2 * 3_600_000;
  const ended = AbortSignal.abort(new Error('ended'));
  await expect(samples.sweep(ended, later)).rejects.toThrow('ended');
  await samples.sweep(never, later);
  expect(looks).toBe(2); // the second is about the one that goes
  expect((await names()).toSorted()).toEqual(hashes.slice(0, 49).toSorted());
});

test('what a removal took that was broken off is there again for a task that needs it', async () => {
  await expect(samples.restore(SHA256_ABC)).rejects.toMatchObject({ code: 'ENOENT' }); // no folder: its disk is away
  await made();
  expect(await samples.restore(SHA256_ABC)).toBe(false);
  const taken = join(folder, `.taken-${SHA256_ABC}.x`);
  await writeFile(taken, 'abc');
  expect(await samples.restore(SHA256_ABC)).toBe(false);
  needed.add(SHA256_ABC);
  expect(await samples.restore(SHA256_ABC)).toBe(true);
  expect(await readFile(samples.path(SHA256_ABC), 'utf8')).toBe('abc');
  expect(await samples.restore(SHA256_ABC)).toBe(true);
  await samples.sweep(never, Date.now() + 2 * 60_000);
  expect(await names()).toContain(SHA256_ABC);
  expect(await names()).not.toContain(`.taken-${SHA256_ABC}.x`);
});

test('a full disk is told as such, and nothing is left', async () => {
  async function* filling(): AsyncGenerator<Buffer> {
    yield Buffer.from('a');
    throw Object.assign(new Error('full'), { code: 'EDQUOT' });
  }
  await expect(samples.store(filling(), 10, never)).rejects.toMatchObject({
    code: 'NO_DISK_SPACE',
    message: expect.stringContaining(folder),
  });
  expect(await names()).toEqual([]);
});

test('what is no SHA-256 leads nowhere', async () => {
  for (const text of ['../x', '', `${SHA256_ABC}/..`, SHA256_ABC.toUpperCase()])
    expect(() => samples.path(text)).toThrow(expect.objectContaining({ code: 'SAMPLE_MISSING' }));
});

async function made(): Promise<string> {
  await (await store('x'))[Symbol.asyncDispose]();
  return folder;
}
