import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeMessage, encodeMessage, type DnsAnswer, type DnsMessage } from './dns.js';

const label = fc
  .uint8Array({ minLength: 1, maxLength: 12 })
  .map((bytes) => [...bytes].map(escapeByte).join(''));
const name = fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join('.'));
const uint16 = fc.nat(0xffff);
const answer: fc.Arbitrary<DnsAnswer> = fc
  .record({ name, ttl: fc.nat(0x7fffffff) })
  .chain(({ name: owner, ttl }) =>
    fc
      .oneof(
        fc.ipV4().map((data) => ({ type: 'A', data })),
        fc.uint8Array({ minLength: 16, maxLength: 16 }).map((b) => ({ type: 'TYPE4660', data: hex(b) })),
        fc.constantFrom('CNAME', 'NS', 'PTR').chain((type) => name.map((data) => ({ type, data }))),
        fc.tuple(uint16, name).map(([n, host]) => ({ type: 'MX', data: `${n} ${host}` })),
        fc
          .tuple(uint16, uint16, uint16, name)
          .map(([a, b, c, host]) => ({ type: 'SRV', data: `${a} ${b} ${c} ${host}` })),
        fc.string({ maxLength: 600 }).map((text) => ({ type: 'TXT', data: text.replace(/[^ -~]|\\/g, '') })),
      )
      .map((rest) => ({ name: owner, ttl, ...rest })),
  );
const message: fc.Arbitrary<DnsMessage> = fc.record({
  id: uint16,
  response: fc.boolean(),
  rcode: fc.nat(15),
  questions: fc.array(fc.record({ name, type: fc.constantFrom('A', 'AAAA', 'MX', 'TYPE999') }), {
    maxLength: 3,
  }),
  answers: fc.array(answer, { maxLength: 6 }),
});

function escapeByte(byte: number): string {
  const char = String.fromCharCode(byte);
  if (char === '.' || char === '\\') return `\\${char}`;
  return /[!-~]/.test(char) ? char : `\\${String(byte).padStart(3, '0')}`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function header(questions: number, answers: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt16BE(questions, 4);
  bytes.writeUInt16BE(answers, 6);
  return bytes;
}

describe('DNS messages', () => {
  test('what is encoded decodes to the same message', () => {
    fc.assert(fc.property(message, (m) => expect(decodeMessage(encodeMessage(m))).toEqual(m)));
  });

  test('any bytes decode or are refused, never anything else', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 400 }).map((b) => Buffer.from(b)),
      fc.tuple(message, fc.nat(400), fc.nat(255)).map(([m, at, value]) => {
        const b = encodeMessage(m);
        b[at % b.length] = value;
        return b;
      }),
    );
    fc.assert(
      fc.property(bytes, (b) => {
        try {
          decodeMessage(b);
        } catch (error) {
          expect(error).toMatchObject({ code: 'PROTOCOL_VIOLATION' });
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('a real answer with compressed names is read', () => {
    const bytes = Buffer.from(
      '1234818000010002000000000377777707657861' +
        '6d706c6503636f6d0000010001c00c000500010000003c0006036564' +
        '67c010c02d000100010000003c0004c6120001',
      'hex',
    );
    expect(decodeMessage(bytes)).toEqual({
      id: 0x1234,
      response: true,
      rcode: 0,
      questions: [{ name: 'www.example.com', type: 'A' }],
      answers: [
        { name: 'www.example.com', type: 'CNAME', ttl: 60, data: 'edg.example.com' },
        { name: 'edg.example.com', type: 'A', ttl: 60, data: '198.18.0.1' },
      ],
    });
  });

  test.each([
    ['a pointer to itself', Buffer.concat([header(1, 0), Buffer.from([0xc0, 12, 0, 1, 0, 1])])],
    [
      'two pointers at each other',
      Buffer.concat([header(1, 0), Buffer.from([0xc0, 14, 0xc0, 12, 0, 1, 0, 1])]),
    ],
    [
      'a label with a loop after it',
      Buffer.concat([header(1, 0), Buffer.from([1, 97, 0xc0, 12, 0, 1, 0, 1])]),
    ],
    ['records that are not there', header(1, 500)],
    ['more records than any message holds', header(0xffff, 0xffff)],
  ])('%s is refused', (_what, bytes) => {
    expect(() => decodeMessage(bytes)).toThrow(expect.objectContaining({ code: 'PROTOCOL_VIOLATION' }));
  });

  test.each([
    ['2001:db8::1', '2001:db8::1'],
    ['::', '::'],
    ['::1', '::1'],
    ['fe80:0:0:1:0:0:0:9', 'fe80:0:0:1::9'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
    ['::ffff:192.0.2.1', '::ffff:c000:201'],
  ])('the address %s comes back as %s', (data, short) => {
    const sent = {
      id: 1,
      response: true,
      rcode: 0,
      questions: [],
      answers: [{ name: 'a', type: 'AAAA', ttl: 1, data }],
    };
    expect(decodeMessage(encodeMessage(sent)).answers[0]?.data).toBe(short);
  });
});
