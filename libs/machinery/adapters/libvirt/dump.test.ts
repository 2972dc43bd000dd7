import { chown, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { SshConnection } from '#ssh/ssh.js';
import { dumpLocally } from './dump.js';
import { dumpRemotely } from './dump-remote.js';
import { FakeHypervisor, fakeDomain } from './hypervisor.fake.js';

const MEMORY = Buffer.concat([Buffer.from('\x7fELF', 'latin1'), Buffer.alloc(8192)]);
const NOBODY = 65534;
const patience = () => AbortSignal.timeout(5_000);

let folder: string;
let libvirt: FakeHypervisor;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dump-'));
  libvirt = new FakeHypervisor({ win10: fakeDomain('02:00:00:00:00:01') });
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

const target = async () => ({
  domain: await libvirt.domain('win10'),
  path: join(folder, 'memory.dmp'),
  memoryBytes: 8192,
});

test('a dump is ours, also when libvirtd gave it to another user', async () => {
  libvirt.coreDump = async (_, path) => {
    await writeFile(path, MEMORY);
    // Only root can give files away; to others it happens as they see it here.
    if (process.geteuid?.() === 0) await chown(path, NOBODY, NOBODY);
  };
  const { path } = await target();
  await dumpLocally(libvirt, await target(), patience());
  expect(await readFile(path)).toEqual(MEMORY);
  const { uid, mode } = await stat(path);
  expect({ uid, mode: mode & 0o777 }).toEqual({ uid: process.geteuid?.(), mode: 0o600 });
  expect(await readdir(folder)).toEqual(['memory.dmp']);
});

test.each([
  ['shorter than the RAM', MEMORY.subarray(0, 5000), 'has only 5000 bytes of a guest with 8192'],
  ['no ELF', Buffer.alloc(9000), 'no ELF core file'],
])('one that is %s is refused, and none is left', async (_, content, why) => {
  libvirt.coreDump = async (_domain, path) => await writeFile(path, content);
  await expect(dumpLocally(libvirt, await target(), patience())).rejects.toThrow(why);
  expect(await readdir(folder)).toEqual([]);
});

test('a full disk is NO_DISK_SPACE; what libvirt may not do is said', async () => {
  const say = (text: string) => () => Promise.reject(new Error(text));
  libvirt.coreDump = say('unable to write: No space left on device');
  await expect(dumpLocally(libvirt, await target(), patience())).rejects.toMatchObject({
    code: 'NO_DISK_SPACE',
  });
  libvirt.coreDump = say('cannot open file: Permission denied');
  await expect(dumpLocally(libvirt, await target(), patience())).rejects.toThrow(
    'must be able to write there',
  );
  expect(await readdir(folder)).toEqual([]);
});

test('a file that is there already is not written over', async () => {
  const { path } = await target();
  await writeFile(path, 'evidence');
  await expect(dumpLocally(libvirt, await target(), patience())).rejects.toMatchObject({ code: 'EEXIST' });
  expect(await readFile(path, 'utf8')).toBe('evidence');
});

test('on another host it is fetched, and nothing stays there', async () => {
  const commands: string[] = [];
  const answer = (stdout: string) => ({ code: 0, stdout: Buffer.from(stdout), stderr: Buffer.alloc(0) });
  const ssh = {
    exec: async (argv: readonly string[]) => {
      commands.push(argv.join(' '));
      return answer(argv[0] === 'mktemp' ? '/var/tmp/malkoha-aB3dE6gH\n' : '');
    },
    fetchFile: async (from: string, to: string) => {
      commands.push(`fetch ${from}`);
      await writeFile(to, MEMORY);
    },
  } as unknown as SshConnection;
  const asked: string[] = [];
  libvirt.coreDump = async (_, path) => void asked.push(path);
  await dumpRemotely(libvirt, ssh, await target(), patience());
  expect(asked).toEqual(['/var/tmp/malkoha-aB3dE6gH/memory']);
  expect(commands.slice(-2)).toEqual([
    'fetch /var/tmp/malkoha-aB3dE6gH/memory',
    'rm -rf /var/tmp/malkoha-aB3dE6gH',
  ]);
  expect(await readFile((await target()).path)).toEqual(MEMORY);
});
