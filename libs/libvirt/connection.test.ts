import { duplexPair } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RpcConnection, type ConnectionOptions } from './connection.js';
import { LibvirtConnectionLost, LibvirtProtocolError, LibvirtTimeout } from './error.js';
import { encodeFrame, MAX_FRAME, STATUS, TYPE, type Frame } from './frame.js';
import { procedures } from './procedures.js';
import { FakePeer, type Answer } from './server.fake.js';
import { XdrWriter } from './xdr.js';

const never = new AbortController().signal;
const PATIENCE = { timeoutMs: 30_000 };
const HOSTNAME = procedures.hostname.number;
const SCREENSHOT = procedures.screenshot.number;
const NAME = new XdrWriter().string('lab').end();
const MIME = new XdrWriter().uint(1).string('image/png').end();
const DOMAIN = { name: 'win10', uuid: Buffer.alloc(16, 7), id: 3 };

function connect(script: Readonly<Record<number, Answer>> = {}, options: Partial<ConnectionOptions> = {}) {
  const [ours, theirs] = duplexPair();
  const peer = new FakePeer(theirs, script);
  const connection = new RpcConnection(ours, { name: 'lab', maxInFlight: 4, ...options });
  return { connection, peer };
}

const hostname = (connection: RpcConnection, signal = never, options = PATIENCE) =>
  connection.call(procedures.hostname, undefined, options, signal);
const screenshot = (connection: RpcConnection, streamBytes: number, signal = never) =>
  connection.callStream(
    procedures.screenshot,
    { domain: DOMAIN, screen: 0, flags: 0 },
    { ...PATIENCE, streamBytes },
    signal,
  );

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await turn();
}

test('answers find their call in any order', async () => {
  const waiting: Frame[] = [];
  const { connection, peer } = connect({ [HOSTNAME]: (frame) => void waiting.push(frame) });
  const asked = [hostname(connection), hostname(connection), hostname(connection)];
  await until(() => waiting.length === 3);
  for (const frame of waiting.toReversed()) {
    peer.reply(frame, new XdrWriter().string(`lab${frame.serial}`).end());
  }
  expect(await Promise.all(asked)).toEqual(['lab1', 'lab2', 'lab3']);
  connection.close();
});

test('an error keeps all that libvirt says', async () => {
  const { connection } = connect({
    [HOSTNAME]: (frame, peer) => peer.refuse(frame, 55, 'domain is not running'),
  });
  await expect(hostname(connection)).rejects.toMatchObject({
    name: 'LibvirtError',
    code: 55,
    domain: 10,
    level: 2,
    message: 'domain is not running',
    strings: ['%s', 'domain is not running', null],
    procedure: HOSTNAME,
  });
  connection.close();
});

test('a call that takes too long is given up; its late answer disturbs nobody', async () => {
  const asked: Frame[] = [];
  const { connection, peer } = connect({ [HOSTNAME]: (frame) => void asked.push(frame) });
  await expect(hostname(connection, never, { timeoutMs: 5 })).rejects.toThrow(LibvirtTimeout);
  for (const frame of asked.splice(0)) peer.reply(frame, NAME);
  const again = hostname(connection);
  await until(() => asked.length === 1);
  for (const frame of asked) peer.reply(frame, NAME);
  expect(await again).toBe('lab');
  connection.close();
});

test('a cancelled call rejects with the reason at once; one cancelled before is not sent', async () => {
  const { connection, peer } = connect({ [HOSTNAME]: () => undefined });
  const cancel = new AbortController();
  const asked = hostname(connection, cancel.signal);
  cancel.abort(new Error('enough'));
  await expect(asked).rejects.toThrow('enough');
  await expect(hostname(connection, cancel.signal)).rejects.toThrow('enough');
  await until(() => peer.heard.length > 0);
  expect(peer.heard).toHaveLength(1);
  connection.close();
});

test('no more calls are under way than allowed, and one given up counts until it is answered', async () => {
  const asked: Frame[] = [];
  const { connection, peer } = connect({ [HOSTNAME]: (frame) => void asked.push(frame) }, { maxInFlight: 2 });
  const cancel = new AbortController();
  const [first, second, third, fourth] = [cancel.signal, never, cancel.signal, never].map((signal) =>
    hostname(connection, signal),
  );
  const cancelled = [expect(first).rejects.toThrow('enough'), expect(third).rejects.toThrow('enough')];
  await until(() => asked.length === 2);
  cancel.abort(new Error('enough'));
  await Promise.all(cancelled);
  await turn();
  expect(asked.map(({ serial }) => serial)).toEqual([1, 2]);
  peer.reply(asked[0] as Frame, NAME);
  await until(() => asked.length === 3);
  expect(asked.map(({ serial }) => serial)).toEqual([1, 2, 4]);
  for (const frame of asked.slice(1)) peer.reply(frame, NAME);
  expect(await Promise.all([second, fourth])).toEqual(['lab', 'lab']);
  connection.close();
});

test('when the other side goes away, what waits is told, and nothing new is taken', async () => {
  const { connection, peer } = connect(
    { [HOSTNAME]: (_frame, { stream }) => void stream.end() },
    { maxInFlight: 1 },
  );
  const told: Error[] = [];
  connection.onClosed((error) => told.push(error));
  const asked = await Promise.allSettled([hostname(connection), hostname(connection)]);
  expect(
    asked.map((one) => one.status === 'rejected' && one.reason instanceof LibvirtConnectionLost),
  ).toEqual([true, true]);
  await expect(hostname(connection)).rejects.toThrow(LibvirtConnectionLost);
  connection.onClosed((error) => told.push(error));
  expect(told).toEqual([connection.lost, connection.lost]);
  peer.stream.destroy();
});

const answering =
  (change: Partial<Frame>): Answer =>
  (frame, peer) =>
    peer.send({ ...frame, type: TYPE.reply, body: NAME, ...change });
const long = Buffer.alloc(28);
long.writeUInt32BE(MAX_FRAME + 1);

test.each<[string, Answer]>([
  ['garbage', (_frame, { stream }) => void stream.write('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ['a frame too long', (_frame, { stream }) => void stream.write(long)],
  ['an answer to another procedure', answering({ procedure: 1 })],
  ['an answer of another program', answering({ program: 0x20008087 })],
  ['a frame of an unknown type', answering({ type: 9 })],
  ['a call', answering({ type: TYPE.call })],
  ['a stream nobody asked for', answering({ type: TYPE.stream, status: STATUS.more })],
  ['an error that is none', answering({ status: STATUS.error, body: Buffer.alloc(7) })],
])('%s ends the connection', async (_what, answer) => {
  const { connection } = connect({ [HOSTNAME]: answer });
  const error: unknown = await hostname(connection).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(LibvirtConnectionLost);
  expect((error as Error).cause).toBeInstanceOf(LibvirtProtocolError);
});

test('an answer that cannot be read fails its call alone', async () => {
  let first = true;
  const { connection } = connect({
    [HOSTNAME]: (frame, peer) => {
      peer.reply(frame, first ? Buffer.from([0, 0, 1, 0]) : NAME);
      first = false;
    },
  });
  await expect(hostname(connection)).rejects.toThrow(LibvirtProtocolError);
  expect(await hostname(connection)).toBe('lab');
  connection.close();
});

test('no bytes do more than end the connection', async () => {
  const words = fc.array(
    fc.constantFrom(0, 1, 2, 3, 28, 29, 40, HOSTNAME, 0x20008086, 0x6b656570, 0xffff_ffff),
  );
  const structured = words.map((all) => {
    const bytes = Buffer.alloc(all.length * 4);
    all.forEach((word, at) => bytes.writeUInt32BE(word, at * 4));
    return new Uint8Array(bytes);
  });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(fc.uint8Array(), structured), { maxLength: 5 }), async (chunks) => {
      const { connection, peer } = connect({
        [HOSTNAME]: (_frame, { stream }) => {
          for (const chunk of chunks) stream.write(chunk);
          stream.end();
        },
      });
      const error: unknown = await hostname(connection).catch((thrown: unknown) => thrown);
      const known = [LibvirtConnectionLost, LibvirtProtocolError].some((kind) => error instanceof kind);
      expect(known || typeof error === 'string' || (error as Error).name === 'LibvirtError').toBe(true);
      connection.close();
      peer.stream.destroy();
    }),
  );
});

test('a stream comes in pieces and ends when both sides have said so', async () => {
  const { connection, peer } = connect({
    [SCREENSHOT]: (frame, to) => {
      to.reply(frame, MIME);
      for (const piece of ['one ', 'two ', 'three']) to.data(frame, Buffer.from(piece));
      to.data(frame);
    },
  });
  const shot = screenshot(connection, 1000);
  await until(() => peer.heard.length === 2);
  const end = peer.heard[1] as Frame;
  expect(end).toMatchObject({ type: TYPE.stream, status: STATUS.ok, serial: 1, procedure: SCREENSHOT });
  peer.finish(end);
  expect(await shot).toEqual({ reply: 'image/png', stream: Buffer.from('one two three') });
  connection.close();
});

test('a stream that breaks, or whose call is refused, says why', async () => {
  const { connection } = connect({
    [SCREENSHOT]: (frame, peer) => {
      if (frame.serial === 1) {
        peer.refuse(frame, 55, 'no screens to take screenshot from');
        return;
      }
      peer.reply(frame, MIME);
      peer.data(frame, Buffer.from('half'));
      peer.refuse(frame, 38, 'cannot read', TYPE.stream);
    },
  });
  await expect(screenshot(connection, 1000)).rejects.toMatchObject({ code: 55 });
  await expect(screenshot(connection, 1000)).rejects.toMatchObject({ code: 38, message: 'cannot read' });
  connection.close();
});

test('a stream that is too long is aborted, and the connection stays', async () => {
  const { connection, peer } = connect({
    [SCREENSHOT]: (frame, to) => {
      to.reply(frame, MIME);
      for (let piece = 0; piece < 10; piece += 1) to.data(frame, Buffer.alloc(50));
    },
    [HOSTNAME]: (frame, to) => to.reply(frame, NAME),
  });
  await expect(screenshot(connection, 99)).rejects.toThrow('more bytes than are accepted');
  await until(() => peer.heard.length === 2);
  expect(peer.heard[1]).toMatchObject({ type: TYPE.stream, status: STATUS.error, serial: 1 });
  peer.finish(peer.heard[1] as Frame);
  expect(await hostname(connection)).toBe('lab');
  expect(peer.heard).toHaveLength(3);
  connection.close();
});

test('a cancelled stream is aborted once libvirtd has begun it, and keeps its place until then', async () => {
  const asked: Frame[] = [];
  const { connection, peer } = connect(
    { [SCREENSHOT]: (frame) => void asked.push(frame), [HOSTNAME]: (frame, to) => to.reply(frame, NAME) },
    { maxInFlight: 1 },
  );
  const cancel = new AbortController();
  const shot = screenshot(connection, 1000, cancel.signal);
  await until(() => asked.length === 1);
  cancel.abort(new Error('enough'));
  await expect(shot).rejects.toThrow('enough');
  const next = hostname(connection);
  const call = asked[0] as Frame;
  peer.reply(call, MIME);
  await until(() => peer.heard.length === 2);
  expect(peer.heard[1]).toMatchObject({ type: TYPE.stream, status: STATUS.error });
  peer.data(call, Buffer.from('under way'));
  peer.data(call);
  await turn();
  expect(peer.heard).toHaveLength(2);
  peer.finish(call);
  expect(await next).toBe('lab');
  connection.close();
});

test('pings are answered', async () => {
  const { connection, peer } = connect();
  peer.ping();
  peer.ping();
  await until(() => peer.pongs === 2);
  connection.close();
});

test('a peer that answers pings is kept, one that falls silent is lost', async () => {
  const { connection, peer } = connect({ [HOSTNAME]: () => undefined });
  let answers = true;
  peer.stream.on('data', () => {
    const last = peer.heard.at(-1) as Frame;
    if (answers && last.program === 0x6b656570) peer.send({ ...last, procedure: 2 });
  });
  connection.keepAlive(2, 3);
  const pings = () => peer.heard.filter(({ program }) => program === 0x6b656570).length;
  await until(() => pings() > 8);
  expect(connection.lost).toBe(null);
  const asked = hostname(connection);
  answers = false;
  await expect(asked).rejects.toThrow('did not answer 3 pings');
});

test('messages reach who asked for them; one that breaks its reader ends the connection', async () => {
  const messages: string[] = [];
  const { connection, peer } = connect(
    {},
    {
      onMessage: ({ body }) => {
        if (body.length === 0) throw new LibvirtProtocolError('nothing in it');
        messages.push(body.toString());
      },
    },
  );
  const message = { program: 0x20008086, procedure: 318, type: TYPE.message, serial: 0, status: 0 };
  peer.stream.write(encodeFrame({ ...message, body: Buffer.from('news') }));
  peer.stream.write(encodeFrame({ ...message, body: Buffer.alloc(0) }));
  await until(() => connection.lost !== null);
  expect(messages).toEqual(['news']);
});
