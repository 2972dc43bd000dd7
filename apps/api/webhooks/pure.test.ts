import { describe, expect, test } from '@jest/globals';
import { isOutside, lookupOutside, mustBeOutside } from './address.js';
import { refusalOf } from './post.js';
import { MAX_ATTEMPTS, retryDelay } from './schedule.js';
import { isSecret, makeSecret, sign } from './signature.js';

test('a signature is the one that the libraries of the specification make', () => {
  // The example of their own tests.
  const message = {
    id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    timestamp: 1_614_265_330,
    body: '{"test": 2432232314}',
  };
  expect(sign('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', message)).toBe(
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  );
});

test('a secret is whsec_ and the base64 of 24 to 64 bytes', () => {
  const of = (bytes: number) => `whsec_${Buffer.alloc(bytes, 7).toString('base64')}`;
  expect([of(24), of(64), makeSecret()].map(isSecret)).toEqual([true, true, true]);
  expect(makeSecret()).not.toBe(makeSecret());
  for (const bad of [of(23), of(65), of(32).slice(6), 'whsec_', `${of(24)}\n`, 'whsec_not base64!', '']) {
    expect({ bad, is: isSecret(bad) }).toEqual({ bad, is: false });
  }
});

describe('attempts', () => {
  test('wait longer and longer, with some chance, up to two hours', () => {
    const middle = Array.from({ length: MAX_ATTEMPTS }, (_, index) => retryDelay(index + 1, 0.5));
    expect(middle.slice(0, 4)).toEqual([5000, 15_000, 45_000, 135_000]);
    expect(middle.at(-1)).toBe(7_200_000);
    expect([retryDelay(1, 0), retryDelay(1, 1)]).toEqual([4000, 6000]);
  });

  test('go on for about a day', () => {
    const hours = (chance: number) =>
      Array.from({ length: MAX_ATTEMPTS - 1 }, (_, index) => retryDelay(index + 1, chance)).reduce(
        (sum, delay) => sum + delay,
      ) / 3_600_000;
    expect(hours(0)).toBeGreaterThan(17);
    expect(hours(1)).toBeLessThan(30);
  });

  test('a redirect is said to be none of ours to follow', () => {
    expect(refusalOf(302)).toBe('302 Found: redirects are not followed');
    expect(refusalOf(503)).toBe('503 Service Unavailable');
    expect(refusalOf(599)).toBe('599');
  });
});

describe('addresses', () => {
  test.each([...['8.8.8.8', '1.1.1.1', '172.15.0.1', '100.63.0.1', '2606:4700::1111', '::ffff:8.8.8.8']])(
    '%s is outside',
    (ip) => {
      expect(isOutside(ip)).toBe(true);
    },
  );

  test.each([
    ...['127.0.0.1', '127.9.9.9', '0.0.0.0', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1'],
    ...['169.254.169.254', '100.64.0.1', '198.18.0.1', '224.0.0.1', '255.255.255.255', '240.0.0.1'],
    ...['::', '::1', 'fe80::1', 'fc00::1', 'fd00:ec2::254', 'fec0::1', 'ff02::1', '::ffff:127.0.0.1'],
    ...['::ffff:a9fe:a9fe', '64:ff9b::a9fe:a9fe', '2002:7f00:1::', '2001:0:1::', '::7f00:1', '2001:db8::1'],
  ])('%s is not', (ip) => {
    expect(isOutside(ip)).toBe(false);
  });

  test('a host that is written as an address is judged before anything is sent, however it is written', () => {
    for (const host of [
      '127.0.0.1',
      '0x7f.1',
      '2130706433',
      '127.1',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '[fe80::1]',
    ]) {
      expect(() => mustBeOutside(new URL(`http://${host}/`))).toThrow('allow_private in cuckoo.conf');
    }
    expect(() => mustBeOutside(new URL('http://8.8.8.8/'))).not.toThrow();
    expect(() => mustBeOutside(new URL('http://localhost/'))).not.toThrow();
  });

  test('a name is judged by what it is looked up as', async () => {
    const found = await new Promise<unknown>((resolve) =>
      lookupOutside('localhost', { all: true }, (error, addresses) => resolve(error ?? addresses)),
    );
    expect(found).toBeInstanceOf(Error);
    expect((found as Error).message).toMatch(
      /^localhost is (127\.0\.0\.1|::1), which is an address of this network/,
    );
  });
});
