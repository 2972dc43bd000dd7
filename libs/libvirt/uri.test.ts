import { userInfo } from 'node:os';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LibvirtUriError } from './error.js';
import { parseLibvirtUri } from './uri.js';

test("this host: the usual sockets, the user's own, or one that is named", () => {
  expect(parseLibvirtUri('qemu:///system')).toEqual({
    remote: 'qemu:///system',
    address: { transport: 'unix', sockets: ['/run/libvirt/virtqemud-sock', '/run/libvirt/libvirt-sock'] },
  });
  expect(parseLibvirtUri('qemu:///session', { runtimeDir: '/run/user/7' }).address).toEqual({
    transport: 'unix',
    sockets: ['/run/user/7/libvirt/virtqemud-sock', '/run/user/7/libvirt/libvirt-sock'],
  });
  expect(parseLibvirtUri('qemu+unix:///system?socket=/a%20b/sock').address).toEqual({
    transport: 'unix',
    sockets: ['/a b/sock'],
  });
  expect(parseLibvirtUri('test:///default')).toEqual({
    remote: 'test:///default',
    address: { transport: 'unix', sockets: ['/run/libvirt/libvirt-sock'] },
  });
});

test('another host by ssh, with all that a login needs', () => {
  expect(
    parseLibvirtUri('qemu+ssh://root@[fe80::1]:2222/system?keyfile=/k&known_hosts=/h&socket=/s', {
      agent: '/a',
    }),
  ).toEqual({
    remote: 'qemu:///system',
    address: {
      transport: 'ssh',
      target: {
        host: 'fe80::1',
        port: 2222,
        user: 'root',
        identityFile: '/k',
        knownHosts: '/h',
        agent: '/a',
      },
      sockets: ['/s'],
      helper: false,
    },
  });
  expect(parseLibvirtUri('qemu+ssh://lab/system').address).toEqual({
    transport: 'ssh',
    target: { host: 'lab', port: 22, user: userInfo().username },
    sockets: ['/run/libvirt/virtqemud-sock', '/run/libvirt/libvirt-sock'],
    helper: true,
  });
});

test('another host by TLS, which is usual, and by TCP', () => {
  expect(parseLibvirtUri('qemu://lab.example/system').address).toEqual({
    transport: 'tls',
    host: 'lab.example',
    port: 16514,
    pki: null,
  });
  expect(parseLibvirtUri('qemu+tls://lab:1/system?pkipath=/pki').address).toMatchObject({
    port: 1,
    pki: '/pki',
  });
  expect(parseLibvirtUri('qemu+tcp://127.0.0.1/system?name=qemu:///session')).toEqual({
    remote: 'qemu:///session',
    address: { transport: 'tcp', host: '127.0.0.1', port: 16509 },
  });
});

test.each([
  ['', 'no URI'],
  ['/run/libvirt/libvirt-sock', 'no URI'],
  ['esx://host/?no_verify=1', 'the driver "esx" is not supported; supported are qemu and test'],
  ['xen:///system', 'the driver "xen" is not supported'],
  [
    'qemu+libssh2://host/system',
    'the transport "libssh2" is not supported; supported are unix, ssh, tls, tcp',
  ],
  ['qemu+ssh:///system', 'needs a host'],
  ['qemu+unix://host/system', 'leave the host out'],
  ['qemu:///sytem', 'the path is "/sytem"; qemu has /system and /session'],
  ['test://', 'it has no path'],
  ['qemu+ssh://root:secret@host/system', 'a password in a URI is not supported'],
  ['qemu+ssh://host/system?no_verify=1', 'the other side is always verified'],
  ['qemu+ssh://host/system?kyefile=/k', 'known are socket, keyfile, known_hosts, name'],
  ['qemu+tcp://host/system?socket=/s', 'the parameter "socket" is not supported with tcp'],
  ['qemu:///%zz', 'a % that is not followed'],
])('%s is refused', (uri, message) => {
  expect(() => parseLibvirtUri(uri)).toThrow(LibvirtUriError);
  expect(() => parseLibvirtUri(uri)).toThrow(message);
});

test('a password is not repeated in the error', () => {
  const parse = () => parseLibvirtUri('qemu+ssh://root:secret@host/system');
  expect(parse).toThrow('"qemu+ssh://root:…@host/system": a password');
});

test('any text is read or refused in words', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.webUrl(),
        fc.string().map((rest) => `qemu+ssh://${rest}`),
      ),
      (text) => {
        try {
          parseLibvirtUri(text);
        } catch (error) {
          expect(error).toBeInstanceOf(LibvirtUriError);
        }
      },
    ),
    { numRuns: 1000 },
  );
});
