import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { FILES, readSaved, sha256, verifyTemplate, type Saved } from './parts.js';
import { ramDigest } from './ram.js';

const patience = () => AbortSignal.timeout(20_000);
let folder: string;
let saved: Saved;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parts-test-'));
  await writeFile(join(folder, FILES.ram), 'ram');
  await writeFile(join(folder, FILES.state), 'state');
  saved = {
    form: 'mapped',
    qemu: '7.2',
    image: 'abc',
    ram: { bytes: 3, digest: await ramDigest(join(folder, FILES.ram), patience()) },
    state: { bytes: 5, digest: sha256('state') },
  };
  await writeFile(join(folder, FILES.about), JSON.stringify(saved));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

test('a template that is what was saved passes', async () => {
  expect(await readSaved(folder)).toEqual(saved);
  await verifyTemplate({ folder, saved }, 'whole', patience());
});

test('changed device state is seen at a glance', async () => {
  await writeFile(join(folder, FILES.state), 'spare');
  await expect(verifyTemplate({ folder, saved }, 'quick', patience())).rejects.toMatchObject({
    code: 'TEMPLATE_FAILED',
  });
});

test('changed memory of the same size is seen by looking at all of it', async () => {
  await using file = await open(join(folder, FILES.ram), 'r+');
  await file.write('R', 0);
  await verifyTemplate({ folder, saved }, 'quick', patience());
  await expect(verifyTemplate({ folder, saved }, 'whole', patience())).rejects.toMatchObject({
    code: 'TEMPLATE_FAILED',
  });
});

test.each([FILES.ram, FILES.state])('a missing %s is named', async (name) => {
  await rm(join(folder, name));
  await expect(verifyTemplate({ folder, saved }, 'quick', patience())).rejects.toThrow(join(folder, name));
});

test('a half-made template is none', async () => {
  await writeFile(join(folder, FILES.about), '{"form":"mapped"}');
  await expect(readSaved(folder)).rejects.toMatchObject({ code: 'TEMPLATE_FAILED' });
});
