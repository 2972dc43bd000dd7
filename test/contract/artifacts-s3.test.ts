import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Bucket } from '#storage/artifacts/bucket.js';
import {
  contentOf,
  never,
  openLab,
  putSample,
  row,
  run,
  SAMPLE,
  SHA256,
  type ArtifactLab,
  type Host,
} from '../support/artifact-lab.js';
import { BUCKET, type TestS3 } from '../support/s3-server.js';

const RUN = 'some/where/analyses/7/1';
const DAY_AGO = new Date(Date.now() - 24 * 3_600_000);

describe('artefacts in an object store', () => {
  let lab: ArtifactLab;
  let s3: TestS3;
  let here: Host;
  let there: Host;

  beforeEach(async () => {
    lab = await openLab('s3');
    if (!lab.s3) throw new Error('no object store');
    s3 = lab.s3;
    here = await lab.host('a');
    there = await lab.host('b');
    await putSample(here);
    lab.rows.set(7, row(1, 'running'));
  });
  afterEach(async () => {
    await lab[Symbol.asyncDispose]();
  });

  async function complete(): Promise<void> {
    await run(here, 7, 1, 'one');
    await here.store.save(7, 1, never);
    lab.rows.set(7, row(1, 'completed'));
    await here.store.publish(7, 1, never);
  }

  const nothingLeft = async ({ home }: Host) => {
    expect(existsSync(join(home.analyses, '7'))).toBe(false);
    expect(await readdir(join(home.analyses, '.runs')).catch(() => [])).toEqual([]);
  };

  test('a store that breaks off before the manifest: nothing is seen, and saving again is enough', async () => {
    await run(here, 7, 1, 'one');
    const killed = new AbortController();
    s3.refuse((asked) => {
      if (!/^PUT .*manifest.json$/.test(asked)) return false;
      killed.abort(new Error('killed'));
      return true;
    });
    await expect(here.store.save(7, 1, killed.signal)).rejects.toThrow('killed');
    lab.rows.set(7, row(1, 'completed'));
    expect(existsSync(s3.fileOf(`${RUN}/dump.pcap`))).toBe(true);
    expect(await there.store.fetch(7, never)).toBeNull();
    s3.refuse(() => false);
    await here.store.sweep(never);
    expect(await there.store.fetch(7, never)).not.toBeNull();
  });

  test('a changed, a shortened and a missing object are refused, and no half folder stays', async () => {
    await complete();
    const object = s3.fileOf(`${RUN}/dump.pcap`);
    for (const bytes of ['ONE', 'o', 'one and more']) {
      await writeFile(object, bytes);
      await expect(there.store.fetch(7, never)).rejects.toMatchObject({
        code: 'ARTIFACTS_DAMAGED',
        message: expect.stringContaining(`s3://${BUCKET}/${RUN}/dump.pcap is not what was stored`),
      });
      await nothingLeft(there);
    }
    await rm(object);
    await expect(there.store.fetch(7, never)).rejects.toThrow(`${RUN}/dump.pcap is gone`);
    await nothingLeft(there);
    expect(await here.store.fetch(7, never)).not.toBeNull(); // its own copy is whole
  });

  test.each([
    ['../../../x', 'dump.pcap'],
    ['/etc/x', 'dump.pcap'],
    ['logs/../../x', 'dump.pcap'],
    ['binary', 'dump.pcap'],
    ['binary/x', 'dump.pcap'],
    ['.run.json', 'dump.pcap'],
    ['a\u0000b', 'dump.pcap'],
    ['logs//x', 'dump.pcap'],
    ['', 'dump.pcap'],
    ['x'.repeat(256), 'dump.pcap'],
    ['x', '../../8/1/dump.pcap'],
  ])('a manifest that names %j, an object %j, is refused', async (path, object) => {
    await complete();
    await change((manifest) => {
      manifest.files = manifest.files.map((file) =>
        file.path === 'dump.pcap' ? { ...file, path, object } : file,
      );
    });
    await refused();
    await nothingLeft(there);
  });

  test('a manifest with a hostile folder, of another run, with a name twice, or that is none, is refused', async () => {
    await complete();
    for (const wrong of [
      (manifest: Changeable) => void manifest.folders.push('../../x'),
      (manifest: Changeable) => void (manifest.epoch = 2),
      (manifest: Changeable) => void manifest.files.push(...manifest.files.slice(0, 1)),
      (manifest: Changeable) => void (manifest.sample = '../../etc/passwd'),
      (manifest: Changeable) => void Object.assign(manifest, { version: 2 }),
    ]) {
      const before = await readFile(manifestFile());
      await change(wrong);
      await refused();
      await nothingLeft(there);
      await writeFile(manifestFile(), before);
    }
    await writeFile(manifestFile(), '<html>');
    await refused();
  });

  test('a sample that was changed in the store never gets its name', async () => {
    await writeFile(s3.fileOf(`some/where/binaries/${SHA256}`), 'another');
    await expect(there.store.fetchSample(SHA256, never)).rejects.toMatchObject({ code: 'ARTIFACTS_DAMAGED' });
    expect(await readdir(there.home.binaries)).toEqual([]);
  });

  test('links are not followed', async () => {
    const dir = await run(here, 7, 1, 'one');
    await symlink('/etc/passwd', join(dir, 'files', 'passwd'));
    await symlink('/etc', join(dir, 'logs', 'etc'));
    await here.store.save(7, 1, never);
    lab.rows.set(7, row(1, 'completed'));
    const content = await contentOf((await there.store.fetch(7, never)) ?? '');
    expect(Object.keys(content).filter((name) => /passwd|etc/.test(name))).toEqual([]);
  });

  test('a large file goes in parts, whatever its size', async () => {
    const dir = await run(here, 7, 1, 'one');
    const bytes = randomBytes(20 * 1024 * 1024 + 1);
    await writeFile(join(dir, 'memory.dmp'), bytes);
    await writeFile(join(dir, 'empty'), '');
    await here.store.save(7, 1, never);
    expect(s3.asked.filter((asked) => asked === `PUT /${BUCKET}/${RUN}/memory.dmp`)).toHaveLength(3);
    lab.rows.set(7, row(1, 'completed'));
    const fetched = (await there.store.fetch(7, never)) ?? '';
    const hash = (of: Buffer) => createHash('sha256').update(of).digest('hex');
    expect(hash(await readFile(join(fetched, 'memory.dmp')))).toBe(hash(bytes));
    expect((await stat(join(fetched, 'empty'))).size).toBe(0);
  });

  test('a body that breaks off is asked for again, and is no damage when it never comes whole', async () => {
    await complete();
    let broken = 0;
    s3.refuse((asked) => (/GET .*(pcap|json)$/.test(asked) && ++broken <= 3 ? 'break off' : false));
    expect(await contentOf((await there.store.fetch(7, never)) ?? '')).toMatchObject({ 'dump.pcap': 'one' });
    expect(broken).toBeGreaterThan(3);
    const third = await lab.host('c');
    s3.refuse((asked) => (asked.endsWith('/dump.pcap') ? 'break off' : false));
    await expect(third.store.fetch(7, never)).rejects.toMatchObject({
      code: 'ARTIFACTS_UNAVAILABLE',
      message: expect.stringContaining(`${RUN}/dump.pcap broke off`),
    });
    await nothingLeft(third);
  });

  test('many who ask at once cost one download; who asks again, one small question', async () => {
    await complete();
    const before = s3.asked.length;
    await Promise.all(Array.from({ length: 10 }, () => there.store.fetch(7, never)));
    const gets = s3.asked.slice(before).filter((asked) => asked.endsWith('/dump.pcap'));
    expect(gets).toHaveLength(1);
    const between = s3.asked.length;
    await there.store.fetch(7, never);
    expect(s3.asked.slice(between)).toEqual([`GET /${BUCKET}/${RUN}/manifest.json`]);
  });

  test('who gives up waiting does not end the download of the others', async () => {
    await complete();
    const impatient = new AbortController();
    const first = there.store.fetch(7, impatient.signal);
    const second = there.store.fetch(7, never);
    impatient.abort(new Error('gone'));
    await expect(first).rejects.toThrow('gone');
    expect(await second).toBe(join(there.home.analyses, '7'));
  });

  test('the cache keeps to its bound: the longest unused goes, what only this host has stays', async () => {
    await complete();
    const small = await lab.host('b', 1);
    await small.store.fetch(7, never);
    await small.store.fetchSample(SHA256, never);
    const unstored = join(small.home.binaries, 'f'.repeat(64));
    await writeFile(unstored, 'of a time before the bucket');
    await small.store.trim(never);
    expect(existsSync(join(small.home.analyses, '7'))).toBe(true); // in use within the hour
    for (const path of [
      join(small.home.analyses, '7', '.run.json'),
      unstored,
      join(small.home.binaries, SHA256),
    ])
      await utimes(path, DAY_AGO, DAY_AGO);
    await small.store.trim(never);
    expect(existsSync(join(small.home.analyses, '7'))).toBe(false);
    expect(await readdir(small.home.binaries)).toEqual(['f'.repeat(64)]);
    expect(await small.store.fetch(7, never)).not.toBeNull();
    expect(await readFile(await small.store.fetchSample(SHA256, never), 'utf8')).toBe(SAMPLE);
  });

  test('a wrong key, a bucket that is not there, and a store that is away say so', async () => {
    const options = {
      bucket: BUCKET,
      prefix: '',
      endpoint: s3.url,
      region: 'us-east-1',
      accessKey: 'S3RVER',
      secretKey: 'S3RVER',
    };
    for (const [wrong, said] of [
      [{ secretKey: 'wrong' }, 'SignatureDoesNotMatch'],
      [{ bucket: 'nothere' }, 'NoSuchBucket'],
      [{ endpoint: 'http://127.0.0.1:1' }, 'ECONNREFUSED'],
    ] as const) {
      const bucket = new Bucket({ ...options, ...wrong });
      await expect(bucket.get('x', never)).rejects.toMatchObject({
        code: 'ARTIFACTS_UNAVAILABLE',
        message: expect.stringContaining(said),
      });
      await bucket.close();
    }
  });

  interface Changeable {
    epoch: number;
    sample: string;
    folders: string[];
    files: { path: string; object: string }[];
  }

  const manifestFile = () => s3.fileOf(`${RUN}/manifest.json`);

  async function change(how: (manifest: Changeable) => void): Promise<void> {
    const manifest = JSON.parse(await readFile(manifestFile(), 'utf8')) as Changeable;
    how(manifest);
    await writeFile(manifestFile(), JSON.stringify(manifest));
  }

  async function refused(): Promise<void> {
    await expect(there.store.fetch(7, never)).rejects.toMatchObject({ code: 'ARTIFACTS_DAMAGED' });
  }
});
