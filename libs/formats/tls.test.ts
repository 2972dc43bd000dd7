import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createServer } from 'node:net';
import { connect } from 'node:tls';
import { looksLikeTls, readClientHello, readServerHello } from './tls.js';

const u8 = (n: number): Buffer => Buffer.from([n]);
const u16 = (n: number): Buffer => Buffer.from([n >> 8, n & 255]);
const list16 = (numbers: number[]): Buffer => Buffer.concat(numbers.map(u16));
const with8 = (body: Buffer): Buffer => Buffer.concat([u8(body.length), body]);
const with16 = (body: Buffer): Buffer => Buffer.concat([u16(body.length), body]);
const record = (body: Buffer): Buffer => Buffer.concat([Buffer.from([22, 3, 1]), with16(body)]);
const handshake = (type: number, body: Buffer): Buffer => Buffer.concat([u8(type), u8(0), with16(body)]);

/** The hello behind the example in JA3's own documentation, with what GREASE adds. */
function hello({ grease }: { grease: boolean }): Buffer {
  const g = grease ? [0x2a2a] : [];
  const name = with16(Buffer.concat([u8(0), with16(Buffer.from('a.example'))]));
  const extensions = Buffer.concat([
    ...g.map((type) => Buffer.concat([u16(type), u16(0)])),
    u16(0), with16(name), u16(10), with16(with16(list16([...g, 23, 24, 25]))), u16(11), with16(with8(u8(0))),
  ]); // prettier-ignore
  const ciphers = [...g, 47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4];
  return handshake(
    1,
    Buffer.concat([
      u16(769),
      Buffer.alloc(32),
      with8(Buffer.from('5e55', 'hex')),
      with16(list16(ciphers)),
      with8(u8(0)),
      with16(extensions),
    ]),
  );
}

describe('TLS hellos', () => {
  test.each([false, true])('JA3 of the documented example, GREASE: %s', (grease) => {
    expect(readClientHello(record(hello({ grease })))).toEqual({
      sni: 'a.example',
      sessionId: '5e55',
      ja3: 'ada70206e40642a3e4461f35503241d5',
    });
  });

  test('a hello in two records is joined; a cut one is none', () => {
    const body = hello({ grease: false });
    expect(
      readClientHello(Buffer.concat([record(body.subarray(0, 50)), record(body.subarray(50))]))?.sni,
    ).toBe('a.example');
    expect(readClientHello(record(body.subarray(0, 50)))).toBeNull();
    expect(readClientHello(record(body).subarray(0, -1))).toBeNull();
  });

  test('a server’s hello', () => {
    const body = Buffer.concat([u16(771), Buffer.alloc(32, 0xab), with8(Buffer.from('01')), u16(47), u8(0)]);
    expect(readServerHello(record(handshake(2, body)))).toEqual({
      random: 'ab'.repeat(32),
      sessionId: '3031',
    });
  });

  test('what Node really sends', async () => {
    const first = await new Promise<Buffer>((resolve) => {
      const server = createServer((socket) => {
        socket.once('data', (data) => {
          resolve(data);
          socket.destroy();
          server.close();
        });
      });
      server.listen(0, '127.0.0.1', () => {
        const address = server.address();
        if (address === null || typeof address === 'string') throw new Error('no port');
        connect({ port: address.port, host: '127.0.0.1', servername: 'real.example' }).on(
          'error',
          () => undefined,
        );
      });
    });
    expect(looksLikeTls(first)).toBe(true);
    expect(readClientHello(first)).toMatchObject({
      sni: 'real.example',
      ja3: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
  });

  test('any bytes are read without an error', () => {
    const start = record(hello({ grease: true }));
    fc.assert(
      fc.property(fc.nat(start.length - 1), fc.nat(255), fc.uint8Array(), (at, value, tail) => {
        const bytes = Buffer.concat([start, tail]);
        bytes[at] = value;
        readClientHello(bytes);
        readServerHello(bytes);
        readClientHello(Buffer.concat([Buffer.from([22, 3, 1]), tail]));
      }),
    );
  });
});
