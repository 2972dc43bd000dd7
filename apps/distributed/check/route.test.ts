import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { expect, test } from '@jest/globals';
import type { Verdict } from '../../verdict.js';
import { findRoute } from './route.js';
import { mendTls } from './tls.js';

const LIMITS = { connect: 2_000, answer: 2_000, reportSize: 1_000_000, linkLocal: false };

async function told(url: string, limits = LIMITS, signal = new AbortController().signal): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  const tell = (check: string, verdict: Verdict) => void verdicts.push({ ...verdict, check });
  await findRoute({ name: 'n1', url, token: null, dialect: 'cuckoo' }, limits, tell, signal);
  return verdicts;
}

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function closed(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}

test.each([
  ['ftp://10.0.0.5/', 'is no URL that begins with http', '/api/node/n1 -F url='],
  [
    'http://malkoha-check.invalid/',
    'malkoha-check.invalid has no address',
    'getent hosts malkoha-check.invalid',
  ],
  ['http://169.254.169.254/', '169.254.169.254 is link-local', 'allow_link_local = yes in [nodes]'],
  ['http://[fe80::1]:8090/', 'fe80::1 is link-local', 'allow_link_local'],
])('no node is at %s', async (url, found, fix) => {
  expect(await told(url)).toEqual([
    {
      check: 'address',
      status: 'fail',
      found: expect.stringContaining(found),
      fix: expect.stringContaining(fix),
    },
  ]);
});

test('where nothing listens, and what to start there', async () => {
  const server = createServer();
  const port = await listening(server);
  await closed(server);
  expect(await told(`http://127.0.0.1:${port}/`)).toEqual([
    expect.objectContaining({ check: 'address', status: 'ok' }),
    {
      check: 'connection',
      status: 'fail',
      found: expect.stringMatching(`127.0.0.1:${port} does not: .*ECONNREFUSED`),
      fix: expect.stringContaining(`cuckoo api --host 0.0.0.0 --port ${port}`),
    },
  ]);
});

test('what takes connections and speaks no TLS', async () => {
  const server = createServer((socket) =>
    socket
      .resume()
      .on('error', () => {})
      .end('SSH-2.0-OpenSSH\r\n'),
  );
  const port = await listening(server);
  try {
    expect(await told(`https://127.0.0.1:${port}/`)).toEqual([
      expect.objectContaining({ check: 'address', status: 'ok' }),
      expect.objectContaining({ check: 'connection', status: 'ok' }),
      expect.objectContaining({ check: 'TLS', status: 'fail', fix: expect.stringContaining('http://') }),
    ]);
  } finally {
    await closed(server);
  }
});

test.each([
  ['CERT_HAS_EXPIRED', 'renew the certificate'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'the node a certificate for lab.example'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'NODE_EXTRA_CA_CERTS'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'NODE_EXTRA_CA_CERTS'],
  ['EPROTO', 'http://'],
])('a handshake that ends with %s', (code, fix) => {
  expect(mendTls(Object.assign(new Error(code), { code }), 'lab.example')).toContain(fix);
});

test('what takes the connection and then says nothing of TLS is given up', async () => {
  const server = createServer((socket) => socket.resume().on('error', () => {}));
  const port = await listening(server);
  try {
    const verdicts = await told(`https://127.0.0.1:${port}/`, { ...LIMITS, connect: 100 });
    expect(verdicts.at(-1)).toMatchObject({ check: 'TLS', status: 'fail' });
  } finally {
    await closed(server);
  }
});

test('whoever stops waiting ends it', async () => {
  const gone = new AbortController();
  gone.abort(new Error('enough'));
  await expect(told('http://127.0.0.1:9/', LIMITS, gone.signal)).rejects.toThrow('enough');
});
