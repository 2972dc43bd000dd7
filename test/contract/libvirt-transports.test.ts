import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Libvirt } from '#libvirt/libvirt.js';
import { makeCertificates } from '../support/certificates.js';
import { startSessionLibvirtd, type SessionLibvirtd } from '../support/libvirtd-session.js';
import { startSshd, type TestSshd } from '../support/sshd.js';

/** Every way to a libvirtd, to a real one. */
const never = new AbortController().signal;

async function works(uri: string): Promise<void> {
  await using libvirt = await Libvirt.connect(uri, {}, never);
  const domain = await libvirt.domain('test', never);
  expect((await libvirt.state(domain, never)).state).toBe('running');
  expect((await libvirt.screenshot(domain, never)).data.length).toBeGreaterThan(1000);
}

describe('libvirt over TCP and TLS', () => {
  let server: SessionLibvirtd;
  let dir: string;
  let pki: ReturnType<typeof makeCertificates>;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'pki-'));
    server = await startSessionLibvirtd({
      listen: ['tcp', 'tls'],
      prepare: (folder) => {
        pki = makeCertificates(folder);
        return [
          'auth_tcp = "none"',
          `key_file = "${folder}/server.key"`,
          `cert_file = "${folder}/server.pem"`,
          `ca_file = "${pki.ca}"`,
        ];
      },
    });
  });

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  const tls = (folder: string) => `test+tls://127.0.0.1:${server.ports.tls}/default?pkipath=${folder}`;

  test('plain TCP', () => works(`test+tcp://127.0.0.1:${server.ports.tcp}/default`));

  test('TLS with a certificate that the server trusts', () => works(tls(pki.client)));

  test('a client certificate of another authority is refused', async () => {
    await expect(Libvirt.connect(tls(pki.stranger), {}, never)).rejects.toMatchObject({
      name: 'LibvirtUnreachable',
      message: expect.stringContaining('refused our client certificate') as unknown,
    });
  });

  test('a server that our authority did not sign is refused', async () => {
    await cp(pki.client, dir, { recursive: true });
    const other = makeCertificates(join(dir, 'other'));
    await cp(other.ca, join(dir, 'cacert.pem'));
    await expect(Libvirt.connect(tls(dir), {}, never)).rejects.toMatchObject({
      name: 'LibvirtUnreachable',
      message: expect.stringContaining('certificate signature failure') as unknown,
    });
  });

  test('certificates that are not there are named', async () => {
    await expect(Libvirt.connect(tls('/nonexistent'), {}, never)).rejects.toMatchObject({
      name: 'LibvirtUnreachable',
      message: expect.stringContaining("'/nonexistent/cacert.pem'") as unknown,
    });
  });

  test('a server that does not speak TLS', async () => {
    const uri = `test+tls://127.0.0.1:${server.ports.tcp}/default?pkipath=${pki.client}`;
    await expect(Libvirt.connect(uri, {}, never)).rejects.toMatchObject({ name: 'LibvirtUnreachable' });
  });
});

describe('libvirt over SSH', () => {
  let server: SessionLibvirtd;
  let sshd: TestSshd;

  beforeAll(async () => {
    server = await startSessionLibvirtd();
  });

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  const uri = (to: TestSshd, more: string) => {
    const { host, port, user, identityFile, knownHosts } = to.target;
    return `test+ssh://${user}@${host}:${port}/default?keyfile=${identityFile}&known_hosts=${knownHosts}${more}`;
  };

  test('through a forwarded unix socket', async () => {
    await using here = await startSshd();
    await works(uri(here, `&socket=${server.socket}`));
    await expect(Libvirt.connect(uri(here, '&socket=/nonexistent/sock'), {}, never)).rejects.toMatchObject({
      name: 'LibvirtUnreachable',
      message: expect.stringContaining('none of its sockets is there (/nonexistent/sock)') as unknown,
    });
    await writeFile(here.target.knownHosts, '');
    await expect(Libvirt.connect(uri(here, `&socket=${server.socket}`), {}, never)).rejects.toMatchObject({
      name: 'LibvirtUnreachable',
      message: expect.stringContaining('is not in ') as unknown,
    });
  });

  test('where sshd forwards nothing, by the program that libvirt has for it', async () => {
    const settings = ['AllowStreamLocalForwarding no'];
    await using here = await startSshd({ settings, libvirt: join(server.dir, 'run/libvirt') });
    await works(uri(here, ''));
  });

  test('after the ssh connection is lost, a new one is made', async () => {
    sshd = await startSshd();
    try {
      await using libvirt = await Libvirt.connect(uri(sshd, `&socket=${server.socket}`), {}, never);
      const back = new Promise<void>((resolve) => libvirt.onReconnect(resolve));
      await sshd.cut();
      await back;
      const domain = await libvirt.domain('test', never);
      expect((await libvirt.state(domain, never)).state).toBe('running');
    } finally {
      await sshd[Symbol.asyncDispose]();
    }
  });
});
