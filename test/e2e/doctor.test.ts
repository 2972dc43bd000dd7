import { execFileSync } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { asNobody, doctorHome, findings, listener, named } from '../support/doctor.js';
import { freePort } from '../support/malkoha.js';

/** Checks of everything but guests need no hypervisor. */
const FAKE = '[cuckoo]\nmachinery = fake\n';
/** One machine on a bridge that is not there. */
const KVM = `[kvm]
dsn = qemu+unix:///system?socket=/nonexistent/libvirt-sock
machines = win7
[win7]
ip = 192.0.2.10
`;
const OWN = { 'cuckoo.conf': '[cuckoo]\nmachinery = kvm\n', 'kvm.conf': KVM };
const asRoot = process.getuid?.() === 0 ? test : test.skip;

test('a sound home folder has no fault', async () => {
  const port = await freePort();
  await using home = await doctorHome({ 'cuckoo.conf': `${FAKE}[api]\nport = ${port}\n` });
  const found = await findings({ home: home.dir });
  expect(found.filter(({ status }) => status === 'fail')).toEqual([]);
  expect(found.map(({ check }) => check)).toEqual(
    expect.arrayContaining(['Node.js', 'configuration', 'disk space', 'home folder', 'REST API', 'database']),
  );
});

test('a wrong value: file, line and what is accepted; two of them are both told', async () => {
  const text = '[cuckoo]\nmachinery = fake\nfreespace = plenty\n[timeouts]\ndefault = soon\n';
  await using home = await doctorHome({ 'cuckoo.conf': text });
  const found = (await findings({ home: home.dir })).filter(({ status }) => status === 'fail');
  expect(found.map((one) => one.found)).toEqual([
    expect.stringMatching(/cuckoo\.conf:3: .*freespace.*plenty/),
    expect.stringMatching(/cuckoo\.conf:5: .*default.*soon/),
  ]);
});

test('an unknown key is a note, and keeps nothing from being looked at', async () => {
  await using home = await doctorHome({ 'cuckoo.conf': `${FAKE}freespaces = 1\n` });
  const found = await findings({ home: home.dir });
  expect(found.find(({ status }) => status === 'warn')?.found).toMatch(/cuckoo\.conf:3: .*freespaces/);
  expect(found.map(({ check }) => check)).toContain('disk space');
});

test('machinery that is none', async () => {
  await using home = await doctorHome({ 'cuckoo.conf': '[cuckoo]\nmachinery = vmware\n' });
  const found = await named('configuration', { home: home.dir });
  expect(found).toMatchObject({
    status: 'fail',
    found: expect.stringContaining('"vmware" is not one of qemu'),
  });
});

test('two machines with one address', async () => {
  const kvm = '[kvm]\nmachines = a, b\n[a]\nip = 192.0.2.10\n[b]\nip = 192.0.2.10\n';
  await using home = await doctorHome({ ...OWN, 'kvm.conf': kvm });
  const found = await named('configuration', { home: home.dir });
  expect(found).toMatchObject({ status: 'fail', found: expect.stringMatching(/kvm\.conf.*192\.0\.2\.10/) });
});

test('a Node.js that is too old', async () => {
  await using home = await doctorHome({ 'cuckoo.conf': FAKE });
  const found = await named('Node.js', { home: home.dir, host: { nodeVersion: 'v18.20.4' } });
  expect(found).toMatchObject({ status: 'fail', fix: expect.stringContaining('20.19') });
});

test('a clock that is far behind', async () => {
  await using home = await doctorHome({ 'cuckoo.conf': FAKE });
  const found = await named('clock', { home: home.dir, host: { now: () => Date.UTC(2001, 0, 1) } });
  expect(found).toMatchObject({ status: 'fail', found: expect.stringContaining('2001-01-01') });
});

test('a disk that is too small', async () => {
  await using home = await doctorHome({ 'cuckoo.conf': `${FAKE}freespace = 999999999\n` });
  const found = await named('disk space', { home: home.dir });
  expect(found).toMatchObject({ status: 'fail', found: expect.stringContaining('999999999 MB must be') });
});

test('memory that no analysis begins with', async () => {
  const text = `${FAKE}[scheduler]\nmin_memory = 999999999\n`;
  await using home = await doctorHome({ 'cuckoo.conf': text });
  expect(await named('memory', { home: home.dir })).toMatchObject({ status: 'fail' });
});

test('a low limit of open files', async () => {
  await using home = await doctorHome({ 'cuckoo.conf': FAKE });
  const limitsFile = join(home.dir, 'limits');
  await writeFile(limitsFile, execFileSync('prlimit', ['--nofile=300', 'cat', '/proc/self/limits']));
  const found = await named('open files', { home: home.dir, host: { limitsFile } });
  expect(found).toMatchObject({
    status: 'fail',
    found: expect.stringContaining('300 files'),
    fix: expect.stringContaining('LimitNOFILE'),
  });
});

test('a port that another process has: its name and pid', async () => {
  const port = await freePort();
  await using other = await listener(port);
  await using home = await doctorHome({ 'cuckoo.conf': `${FAKE}[api]\nport = ${port}\n` });
  const found = await named('REST API', { home: home.dir });
  expect(found).toMatchObject({ status: 'fail', fix: expect.stringContaining(`kill ${other.pid}`) });
  expect(found.found).toMatch(new RegExp(`127\\.0\\.0\\.1:${port} is taken by .+ \\(pid ${other.pid}\\)`));
});

test('a port that the daemon of this home has is as it should be', async () => {
  const port = await freePort();
  await using _api = await listener(port);
  await using home = await doctorHome({ 'cuckoo.conf': `${FAKE}[api]\nport = ${port}\n` });
  const running = { what: 'daemon', pid: process.pid } as const;
  expect(await named('REST API', { home: home.dir, running })).toMatchObject({ status: 'ok' });
});

test('a result server whose address this host has not: those it has are named', async () => {
  const files = { ...OWN, 'cuckoo.conf': `${OWN['cuckoo.conf']}[resultserver]\nip = 192.0.2.1\n` };
  await using home = await doctorHome(files);
  const found = await named('result server', { home: home.dir });
  expect(found).toMatchObject({
    status: 'fail',
    found: expect.stringMatching(/no address 192\.0\.2\.1; it has .*127\.0\.0\.1 \(lo\)/),
  });
});

test('a machine whose results go elsewhere', async () => {
  await using home = await doctorHome({ ...OWN, 'kvm.conf': `${KVM}resultserver_ip = 192.0.2.77\n` });
  const found = await named('addresses', { home: home.dir });
  expect(found).toMatchObject({
    status: 'warn',
    machine: 'win7',
    found: expect.stringContaining('192.0.2.77'),
  });
});

test('programs that are on no folder of the path, each with its package', async () => {
  const conf = '[sniffer]\ntcpdump = /nonexistent/tcpdump\n';
  await using home = await doctorHome({ ...OWN, 'auxiliary.conf': conf });
  const found = await findings({ home: home.dir, host: { path: home.dir } });
  const missing = found.filter(({ check, status }) => check.startsWith('program ') && status === 'fail');
  expect(missing.map(({ check, fix }) => `${check}: ${fix ?? ''}`)).toEqual(
    expect.arrayContaining([
      'program tcpdump: apt-get install tcpdump',
      'program nft: apt-get install nftables',
      'program libvirtd: apt-get install libvirt-daemon-system',
      'program redis-server: apt-get install redis-server',
    ]),
  );
});

test('a program that does not run, and one that is old', async () => {
  await using home = await doctorHome({ ...OWN });
  const program = async (name: string, text: string): Promise<void> => {
    await writeFile(join(home.dir, name), text);
    await chmod(join(home.dir, name), 0o755);
  };
  await program('redis-server', '#!/bin/sh\necho cannot open shared object file >&2\nexit 127\n');
  await program('nft', '#!/bin/sh\necho "nftables v0.9.3 (Topsy)"\n');
  const found = await findings({ home: home.dir, host: { path: `${home.dir}:/usr/bin:/bin` } });
  expect(found.find(({ check }) => check === 'program redis-server')).toMatchObject({
    status: 'fail',
    found: expect.stringContaining('does not run: cannot open shared object file'),
  });
  expect(found.find(({ check }) => check === 'program nft')).toMatchObject({
    status: 'warn',
    found: expect.stringContaining('version 0.9'),
  });
});

asRoot('a tcpdump that may not capture: how it may', async () => {
  await using home = await doctorHome(OWN);
  const found = await named('packet capture', {
    home: home.dir,
    host: { runAs: { uid: 65534, gid: 65534 } },
  });
  expect(found).toMatchObject({
    status: 'fail',
    found: expect.stringMatching(/permission/i),
    fix: expect.stringMatching(/setcap cap_net_raw,cap_net_admin=eip \/\S+tcpdump/),
  });
});

asRoot('a tcpdump that may, by a packet', async () => {
  await using home = await doctorHome(OWN);
  expect(await named('packet capture', { home: home.dir })).toMatchObject({ status: 'ok' });
});

test('a home folder in which we may not write', async () => {
  await using home = await doctorHome({ 'cuckoo.conf': FAKE });
  await chmod(home.dir, 0o555);
  const found = await asNobody(() => named('home folder', { home: home.dir }));
  await chmod(home.dir, 0o700);
  expect(found).toMatchObject({
    status: 'fail',
    found: expect.stringMatching(/cannot write in .*: EACCES/),
    fix: expect.stringContaining(`chown -R`),
  });
});

test('a home folder that is not there and cannot be made', async () => {
  await using home = await doctorHome({});
  await chmod(home.dir, 0o555);
  const found = await asNobody(() =>
    named('home folder', { home: join(home.dir, 'lab'), machinery: 'fake' }),
  );
  await chmod(home.dir, 0o700);
  expect(found).toMatchObject({ status: 'fail', fix: expect.stringContaining('install -d') });
});

test('a home folder that others may write in, and one that is a file', async () => {
  await using home = await doctorHome({ 'cuckoo.conf': FAKE });
  await chmod(home.dir, 0o777);
  expect(await named('home folder', { home: home.dir })).toMatchObject({
    status: 'fail',
    fix: `chmod go-w ${home.dir}`,
  });
  const file = join(home.dir, 'file');
  await writeFile(file, '');
  const found = await named('home folder', { home: file, machinery: 'fake' });
  expect(found).toMatchObject({ status: 'fail', found: expect.stringContaining('is no folder') });
});

test('storage in a folder that is read-only for us', async () => {
  await using home = await doctorHome({});
  const share = join(home.dir, 'share');
  await mkdir(share, { mode: 0o555 });
  await writeFile(join(home.dir, 'conf/cuckoo.conf'), `${FAKE}[artifacts]\nlocation = ${share}\n`);
  await chmod(home.dir, 0o755);
  const found = await asNobody(() => named('storage', { home: home.dir }));
  expect(found).toMatchObject({ status: 'fail', found: expect.stringContaining(`cannot write in ${share}`) });
});

test('a home folder whose path is too long for sockets', async () => {
  await using home = await doctorHome({});
  const deep = join(home.dir, 'x'.repeat(90));
  const found = await named('socket paths', { home: deep, machinery: 'fake' });
  expect(found).toMatchObject({ status: 'fail', fix: expect.stringContaining('shorter') });
});
