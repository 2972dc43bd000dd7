import type { LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { SandboxError } from '#domain/errors.js';
import { guarded, isLinkLocal, mustNotBeLinkLocal, readNodeUrl } from './address.js';

describe('the URL of a node', () => {
  test.each([
    ['http://10.0.0.5:8090', 'http://10.0.0.5:8090/'],
    ['http://10.0.0.5:8090/', 'http://10.0.0.5:8090/'],
    ['https://cape.example/apiv2', 'https://cape.example/apiv2/'],
    ['HTTP://Node-1', 'http://node-1/'],
    ['http://[2001:db8::1]:8090', 'http://[2001:db8::1]:8090/'],
    ['http://localhost/a/b', 'http://localhost/a/b/'],
  ])('%s is kept as %s', (text, url) => {
    expect(readNodeUrl(text)).toBe(url);
  });

  test.each([
    '', '10.0.0.5', '10.0.0.5:8090', 'node:8090', 'ftp://node/', 'file:///etc/passwd', 'http:node', 'http:\\\\node',
    'http://', 'http://user@node/', 'http://user:secret@node/', 'http://node/?a=b', 'http://node/?', 'http://node/#a',
    'http://node/ a', ' http://node/', 'http://node:99999/', 'http://[::1/', 'javascript:alert(1)', `http://${'a'.repeat(3000)}/`,
  ])('%j is refused', (text) => {
    expect(() => readNodeUrl(text)).toThrow(expect.objectContaining({ code: 'NODE_ADDRESS' }));
  }); // prettier-ignore

  test('is what it says, or is refused, whatever the text; and stays the same when read again', () => {
    const part = fc.oneof(
      fc.webUrl(),
      fc.string(),
      fc.constantFrom('http://', 'https://', '@', ':', '/', '?', '#', '[::1]', '\\', '%00', '\0'),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
        let url: string;
        try {
          url = readNodeUrl(parts.join(''));
        } catch (error) {
          expect(error).toBeInstanceOf(SandboxError);
          return;
        }
        expect(url).toMatch(/^https?:\/\/[^/?#@]+\/([^?#]*\/)?$/);
        expect(readNodeUrl(url)).toBe(url);
      }),
    );
  });
});

describe('link-local addresses', () => {
  test.each([
    '169.254.169.254', '169.254.0.1', 'fe80::1', 'febf::1', 'fd00:ec2::254', '::ffff:169.254.169.254', '::ffff:a9fe:a9fe',
    '::169.254.169.254', '64:ff9b::169.254.169.254', '2002:a9fe:a9fe::1', '100.100.100.200',
    '64:ff9b:1:a9fe:a9:fe00::', '64:ff9b:1:a9:fe:a9fe::', '64:ff9b:1:7:a9:fea9:fe00:0', '64:ff9b:1:ffff::169.254.169.254',
    '64:ff9b:1::6464:64c8', '64:ff9b::100.100.100.200', '2002:6464:64c8::1', 'fe80::1%eth0',
  ])('%s is one', (ip) => {
    expect(isLinkLocal(ip)).toBe(true);
  }); // prettier-ignore

  test.each([
    '127.0.0.1',
    '10.0.0.1',
    '169.253.1.1',
    '::1',
    'fec0::1',
    'fd00:ec2::253',
    '::ffff:10.0.0.1',
    '2001:db8::a9fe:1',
    '64:ff9b:1::10.0.0.1',
    '64:ff9b:1:a00:0:100::',
    '64:ff9b:2::169.254.169.254',
  ])('%s is none', (ip) => {
    expect(isLinkLocal(ip)).toBe(false);
  });

  test.each([
    'http://169.254.169.254/',
    'http://0xa9fea9fe/',
    'http://2852039166/',
    'http://[fe80::1]:8090/',
    'http://[::ffff:169.254.1.1]/',
  ])('a node at %s is refused', (url) => {
    expect(() => mustNotBeLinkLocal(new URL(url))).toThrow(expect.objectContaining({ code: 'NODE_ADDRESS' }));
  });

  test('a name is refused when one of its addresses is', async () => {
    const answers = [
      { address: '10.0.0.1', family: 4 },
      { address: '::ffff:169.254.169.254', family: 6 },
    ];
    await expect(lookUp(answers)).rejects.toMatchObject({ code: 'NODE_ADDRESS' });
  });

  test('another name has the addresses it has', async () => {
    const answers = [{ address: '10.0.0.1', family: 4 }];
    expect(await lookUp(answers)).toEqual(answers);
    await expect(lookUp([])).rejects.toThrow('node-1 has no address');
  });
});

/** What a request would be told of the name node-1. */
async function lookUp(answers: LookupAddress[]): Promise<unknown> {
  const lookup: LookupFunction = (_host, _options, callback) => callback(null, answers);
  return new Promise((resolve, reject) => {
    guarded(lookup)('node-1', { all: true }, (error, found) => (error ? reject(error) : resolve(found)));
  });
}
