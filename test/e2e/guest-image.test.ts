import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { beforeAll, expect, test } from '@jest/globals';
import forge from 'node-forge';

import { ensureImage, type GuestImage } from '#guest/image/build.js';

import { SHARED_GUESTS } from '../support/malkoha.js';
import { SlirpGuest } from '../support/slirp-guest.js';

const MINUTE = 60_000;
/** Kept between runs: building takes a minute, and the image is named by its content. */
const FOLDER = SHARED_GUESTS;

let image: GuestImage;

beforeAll(async () => {
  await mkdir(FOLDER, { recursive: true });
  const caCertificate = await testCa(join(FOLDER, 'test-ca.pem'));
  const signal = AbortSignal.timeout(5 * MINUTE);
  image = await ensureImage({ folder: FOLDER, caCertificate, onProgress: () => undefined, signal });
}, 5 * MINUTE);

async function testCa(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    const keys = forge.pki.rsa.generateKeyPair(2048);
    const certificate = forge.pki.createCertificate();
    certificate.publicKey = keys.publicKey;
    certificate.serialNumber = '01';
    certificate.validity.notAfter = new Date(Date.now() + 3650 * 86_400_000);
    certificate.setSubject([{ name: 'commonName', value: 'Test CA' }]);
    certificate.setIssuer([{ name: 'commonName', value: 'Test CA' }]);
    certificate.setExtensions([{ name: 'basicConstraints', cA: true }]);
    certificate.sign(keys.privateKey, forge.md.sha256.create());
    const pem = forge.pki.certificateToPem(certificate);
    await writeFile(path, pem);
    return pem;
  }
}

const boot = () => SlirpGuest.boot(image, AbortSignal.timeout(2 * MINUTE));
const shell = async (guest: SlirpGuest, command: string) =>
  (await guest.call('POST', '/execute', new URLSearchParams({ command, shell: '1' })))['stdout'] as string;

test('the same inputs give the same image, from the cache', async () => {
  const caCertificate = await testCa(join(FOLDER, 'test-ca.pem'));
  const signal = AbortSignal.timeout(5000);
  const again = await ensureImage({ folder: FOLDER, caCertificate, onProgress: () => undefined, signal });
  expect(again).toEqual(image);
});

test(
  'the guest looks lived in, trusts the CA and can be traced',
  async () => {
    await using guest = await boot();
    expect((await guest.call('GET', '/'))['features']).toContain('analyze');
    expect(
      await shell(guest, 'hostname; id -un 1000; cat /etc/resolv.conf; cat /proc/sys/kernel/core_pattern'),
    ).toBe('ws-alice\nalice\nnameserver 10.0.2.3\n/dev/null\n');
    expect(await shell(guest, 'ip -o -4 addr show dev eth0; ip route')).toMatch(
      /10\.0\.2\.15\/24[^]*via 10\.0\.2\.2/,
    );
    expect(await shell(guest, 'ls -A ~alice; stat -c %U:%a ~alice/.ssh ~alice/.bash_history')).toMatch(
      /\.bash_history\n[^]*\.ssh\n[^]*Pictures\nalice:700\nalice:600\n$/,
    );
    expect(await shell(guest, 'openssl verify /usr/local/share/ca-certificates/local-ca.crt')).toMatch(
      /: OK\n$/,
    );
    expect(
      await shell(guest, "ps axo args | grep -v '^\\[' ; env; ls -d /opt/* /root/* 2>/dev/null"),
    ).not.toMatch(/malkoha|cuckoo|sandbox|malware|analy[sz]er/i);
    // Everything that the events file asks for exists in this kernel.
    expect(await guest.serial()).not.toContain('no trace event');
  },
  3 * MINUTE,
);

test(
  'a dropper is traced, and what it deletes is kept',
  async () => {
    await using guest = await boot();
    expect(await guest.analyze('test/samples/dropper.sh')).toMatchObject({ message: 'Analysis started' });
    expect(await guest.ended()).toMatchObject({ status: 'complete', description: null });

    const trace = guest.text('logs/strace.log');
    expect(trace).toMatch(
      /^\d+ +\d+\.\d{6} execve\("\/tmp\/dropper\.sh", \["\/tmp\/dropper\.sh"\], .* = 0$/m,
    );
    expect(trace).toMatch(/execve\("\/usr\/bin\/curl", \["curl".*MSIE 6\.0.*update\.example-cdn\.test/);
    expect(trace).toMatch(/openat\(AT_FDCWD, "\/etc\/shadow", O_RDONLY/);
    const kernel = guest.text('logs/kernel.trace');
    expect(kernel).toMatch(/^# clock: \+ \d+\.\d+ = seconds since 1970\n/);
    expect(kernel).toMatch(/ unlink: \(.*name="\/tmp\/dropper\.sh"/);
    expect(guest.text('logs/stdout.log')).toBe('stage two on ws-alice\n');

    const files = [...guest.uploads].filter(([name]) => name.startsWith('files/'));
    const paths = files.map(([, upload]) => upload.guestPath).sort();
    expect(paths).toEqual([
      '/root/.bashrc',
      '/tmp/.x/accounts.txt',
      '/tmp/.x/pl.out',
      '/tmp/.x/py.out',
      '/tmp/.x/stage',
      '/var/spool/cron/crontabs/root',
    ]);
    expect(files.every(([, upload]) => upload.pids.length > 0)).toBe(true);
    const log = guest.text('LOG');
    expect(log).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \[analyzer\] INFO: task 1, package generic/);
    expect(log).toContain('the sample has deleted itself');
    expect(log).toContain('a copy of the sample is at /var/tmp/.cache-update');
    expect(log).not.toMatch(/WARNING|ERROR/);
    expect([...guest.uploads.values()].every((upload) => upload.ended)).toBe(true);
  },
  4 * MINUTE,
);

test(
  'two hundred files deleted as soon as they are written are all kept',
  async () => {
    await using guest = await boot();
    await guest.analyze('test/samples/vanish.pl');
    expect(await guest.ended()).toMatchObject({ status: 'complete' });
    const contents = [...guest.uploads].flatMap(([name, upload]) =>
      name.startsWith('files/') ? [upload.content.toString()] : [],
    );
    expect(new Set(contents)).toEqual(new Set(Array.from({ length: 200 }, (_, n) => `content ${n + 1}\n`)));
  },
  4 * MINUTE,
);

test(
  'a daemon that outlives its parents is waited for',
  async () => {
    await using guest = await boot();
    await guest.analyze('test/samples/daemon.sh');
    expect(await guest.ended()).toMatchObject({ status: 'complete' });
    const found = [...guest.uploads.values()].find((upload) => upload.guestPath === '/tmp/daemon.txt');
    expect(found?.content.toString()).toBe('the daemon was here\n');
  },
  3 * MINUTE,
);

test(
  'a sample that never ends is ended by its time-out, with its last lines',
  async () => {
    await using guest = await boot();
    await guest.analyze('test/samples/spin.sh', { timeout: 3 });
    // The host is answered while the sample takes the whole processor.
    const began = performance.now();
    expect((await guest.call('GET', '/status'))['status']).toBe('running');
    expect(performance.now() - began).toBeLessThan(2000);
    expect(await guest.ended()).toMatchObject({ status: 'complete' });
    expect(guest.text('LOG')).toContain('time-out after 3 seconds');
    expect(guest.text('logs/strace.log')).toMatch(/\+\+\+ killed by SIGKILL \+\+\+\n$/);
  },
  3 * MINUTE,
);

test(
  'told to stop, it stops; what cannot run is said so',
  async () => {
    await using guest = await boot();
    await guest.analyze('test/samples/spin.sh', { options: 'tracer=none' });
    await guest.call('POST', '/status', new URLSearchParams({ status: 'stop' }));
    expect(await guest.ended()).toMatchObject({ status: 'complete' });
    expect(guest.text('LOG')).toContain('told to stop');
    expect(guest.uploads.has('logs/strace.log')).toBe(false);

    await using other = await boot();
    await other.analyze('test/samples/hello.py', { package: 'js' });
    expect(await other.ended()).toMatchObject({
      status: 'exception',
      description: expect.stringContaining('needs /usr/bin/node'),
    });
  },
  4 * MINUTE,
);
