import { once } from 'node:events';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { openDatabase } from '#storage/database.js';
import { asNobody, doctorHome, findings, listener, named } from '../support/doctor.js';
import { startSessionLibvirtd } from '../support/libvirtd-session.js';
import { freePort } from '../support/malkoha.js';
import { fakeHost } from '../support/vboxmanage/lab.js';
import { startS3 } from '../support/s3-server.js';
import { startRedis } from '../support/redis.js';

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
const asRoot = process.getuid?.() === 0 ? test : test.skip; // captures packets

test('libvirt: no socket, an address that is none, one that we may not use, a stale one, one that answers', async () => {
  await using libvirtd = await startSessionLibvirtd();
  const conf = (dsn: string) => KVM.replace(/^dsn = .*$/m, `dsn = ${dsn}`);
  await using home = await doctorHome(OWN);
  const write = (dsn: string) => writeFile(join(home.dir, 'conf/kvm.conf'), conf(dsn));
  const look = () => named('libvirt', { home: home.dir });
  expect(await look()).toMatchObject({ status: 'fail', fix: expect.stringContaining('libvirtd.socket') });
  await write('xen:///system');
  expect(await look()).toMatchObject({
    status: 'fail',
    found: expect.stringContaining('"xen" is not supported'),
  });

  await write(libvirtd.uri);
  expect(await look()).toMatchObject({
    status: 'ok',
    found: expect.stringMatching(/answers, version \d+\.\d+/),
  });
  const all = await findings({ home: home.dir });
  expect(all.find(({ machine, check }) => machine === 'win7' && check === 'hypervisor')).toMatchObject({
    status: 'fail',
    found: expect.stringMatching(/no domain "win7" .*test/),
  });
  await chmod(home.dir, 0o755);
  const socket = join(home.dir, 'libvirt-sock');
  await using other = await listener(socket);
  await chmod(socket, 0o600);
  await write(`test:///default?socket=${socket}`);
  expect(await asNobody(look)).toMatchObject({ status: 'fail', fix: expect.stringContaining('usermod -aG') });
  await other.kill();
  expect(await look()).toMatchObject({ status: 'fail', fix: expect.stringContaining('systemctl restart') });
});

test('the rooter: no socket, a stale one, one that we may not use, one that answers', async () => {
  await using home = await doctorHome({});
  const socket = join(home.dir, 'rooter.sock');
  await writeFile(join(home.dir, 'conf/cuckoo.conf'), `${OWN['cuckoo.conf']}rooter = ${socket}\n`);
  await writeFile(join(home.dir, 'conf/kvm.conf'), KVM);
  const look = () => named('rooter', { home: home.dir });
  expect(await look()).toMatchObject({
    status: 'fail',
    found: expect.stringContaining(`${socket} is not there`),
    fix: expect.stringContaining('as root: malkoha rooter'),
  });
  await chmod(home.dir, 0o755);
  await using rooter = await listener(socket);
  await chmod(socket, 0o600);
  expect(await asNobody(look)).toMatchObject({ status: 'fail', found: expect.stringContaining('mode 600') });
  await rooter.kill();
  expect(await look()).toMatchObject({ status: 'fail', found: expect.stringContaining('has ended') });

  await rm(socket);
  const none = { name: 'none', available: true, reason: null };
  const tor = { name: 'tor', available: false, reason: 'nothing listens on port 9040' };
  let routes = [none];
  await using _server = await answering(socket, () => routes);
  expect(await look()).toMatchObject({ status: 'ok', found: 'routes none' });
  routes = [none, tor as never];
  expect(await look()).toMatchObject({
    status: 'warn',
    found: expect.stringContaining('tor: nothing listens'),
  });
  routes = [{ ...none, available: false, reason: 'the table inet malkoha is gone' as never }];
  expect(await look()).toMatchObject({
    status: 'fail',
    found: expect.stringContaining('inet malkoha is gone'),
  });
});

/** Speaks the rooter's protocol as far as it is asked for its routes. */
async function answering(socket: string, routes: () => unknown) {
  const server = createServer((peer) => {
    peer.on('error', () => undefined);
    peer.on('data', (line: Buffer) => {
      const { id } = JSON.parse(line.toString()) as { id: number };
      peer.write(`${JSON.stringify({ id, ok: true, result: routes() })}\n`);
    });
  }).listen(socket);
  await once(server, 'listening');
  return { [Symbol.asyncDispose]: () => new Promise<void>((resolve) => void server.close(() => resolve())) };
}

test('a filter for captures that is none', async () => {
  await using home = await doctorHome({ ...OWN, 'auxiliary.conf': '[sniffer]\nbpf = not udp prot 53\n' });
  expect(await named('packet capture', { home: home.dir })).toMatchObject({
    status: 'fail',
    found: expect.stringContaining('auxiliary.conf: [sniffer] bpf'),
  });
});

test('a Redis that is not there, and one that throws jobs away', async () => {
  const port = await freePort();
  const queue = (url: string) => ({ 'cuckoo.conf': `${FAKE}[queue]\nconnection = ${url}\n` });
  await using gone = await doctorHome(queue(`redis://127.0.0.1:${port}`));
  expect(await named('redis', { home: gone.dir })).toMatchObject({
    status: 'fail',
    found: expect.stringContaining('ECONNREFUSED'),
  });
  await using server = await startRedis();
  await using home = await doctorHome(queue(`unix://${server.redis.options.path ?? ''}`));
  expect(await named('redis', { home: home.dir })).toMatchObject({ status: 'ok' });
  const late = { now: () => Date.now() - 60_000 };
  expect(await named('redis', { home: home.dir, host: late })).toMatchObject({
    status: 'warn',
    found: expect.stringMatching(/(59|60|61) s ahead of ours/),
  });
  await server.redis.config('SET', 'maxmemory', '100mb', 'maxmemory-policy', 'allkeys-lru');
  expect(await named('redis', { home: home.dir })).toMatchObject({
    status: 'fail',
    found: expect.stringContaining('allkeys-lru'),
    fix: expect.stringContaining('noeviction'),
  });
});

test('a database that is not there, that is none, and that a newer version has', async () => {
  const port = await freePort();
  const database = (url: string) => `${FAKE}[database]\nconnection = ${url}\n`;
  await using home = await doctorHome({
    'cuckoo.conf': database(`postgresql://a:secret@127.0.0.1:${port}/b`),
  });
  const unreachable = await named('database', { home: home.dir });
  expect(unreachable).toMatchObject({ status: 'fail', found: expect.stringContaining('ECONNREFUSED') });
  expect(JSON.stringify(unreachable)).not.toContain('secret');

  const file = join(home.dir, 'malkoha.db');
  await writeFile(join(home.dir, 'conf/cuckoo.conf'), FAKE);
  const db = await openDatabase(`sqlite://${file}`);
  expect(await named('database', { home: home.dir })).toMatchObject({ status: 'ok' });
  await db.query("INSERT INTO migrations (timestamp, name) VALUES (9999999999999, 'Future9999999999999')");
  await db.destroy();
  expect(await named('database', { home: home.dir })).toMatchObject({
    status: 'fail',
    found: expect.stringContaining('Future9999999999999'),
  });
  await writeFile(file, 'this is no database, and long enough to be told from an empty one'.repeat(99));
  expect(await named('database', { home: home.dir })).toMatchObject({ status: 'fail' });
});

test('an object store that answers, that refuses, and that is not there', async () => {
  await using s3 = await startS3();
  await using home = await doctorHome({ 'cuckoo.conf': `${FAKE}${s3.conf()}` });
  const look = () => named('object store', { home: home.dir });
  expect(await look()).toMatchObject({ status: 'ok' });
  s3.refuse(() => true);
  expect(await look()).toMatchObject({ status: 'fail', fix: expect.stringContaining('[artifacts]') });
});

asRoot('VirtualBox: no program, no such machine, no such snapshot, one that does not start', async () => {
  await using fake = await fakeHost({ vm: { adapter: 'lo' } });
  const conf = (path: string, more = '') =>
    `[virtualbox]\npath = ${path}\ninterface = lo\nmachines = win10\n[win10]\nip = 127.0.0.1\n${more}`;
  await using home = await doctorHome({
    'cuckoo.conf': '[cuckoo]\nmachinery = virtualbox\n[timeouts]\nvm_state = 1\n',
    'routing.conf': '[routing]\nroute = none\nnone = host\n',
    'virtualbox.conf': conf('/nonexistent/VBoxManage'),
  });
  const of = async (check: string, text: string) => {
    await writeFile(join(home.dir, 'conf/virtualbox.conf'), text);
    return await named(check, { home: home.dir, machine: 'win10' });
  };
  expect(await named('program VBoxManage', { home: home.dir })).toMatchObject({
    status: 'fail',
    fix: expect.stringContaining('virtualbox.org'),
  });
  expect(await of('program VBoxManage', conf(fake.path))).toMatchObject({ status: 'ok' });
  expect(await of('hypervisor', conf(fake.path))).toMatchObject({
    status: 'fail',
    found: expect.stringMatching(/no machine "win10"; there is "cuckoo1"/),
    fix: expect.stringContaining('[win10] of virtualbox.conf'),
  });
  expect(await of('hypervisor', conf(fake.path, 'label = cuckoo1\nsnapshot = monday\n'))).toMatchObject({
    status: 'fail',
    found: expect.stringContaining('no snapshot "monday"; there is "clean"'),
  });
  const errors = ['The VM session was closed before any attempt to power it on'];
  await fake.faults({ command: ['startvm'], kind: 'exit-1', errors });
  expect(await of('start', conf(fake.path, 'label = cuckoo1\nsnapshot = clean\n'))).toMatchObject({
    status: 'fail',
    found: expect.stringMatching(/it does not start: .*The VM session was closed/),
  });
});
