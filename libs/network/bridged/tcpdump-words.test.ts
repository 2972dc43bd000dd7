import { describe, expect, test } from '@jest/globals';
import { advice, countersIn } from './tcpdump-words.js';

describe('the counters', () => {
  const counters = { captured: 50, received: 53, dropped: 2 };

  test.each([
    ['when asked', '50 packets captured, 53 packets received by filter, 2 packets dropped by kernel\n'],
    ['at the end', '50 packets captured\n53 packets received by filter\n2 packets dropped by kernel\n'],
    [
      'again',
      '1 packet captured, 1 packet received by filter, 0 packets dropped by kernel\n50 packets captured\n53 packets received by filter\n2 packets dropped by kernel\n0 packets dropped by interface\n',
    ],
  ])('%s', (_, text) => {
    expect(countersIn(`tcpdump: listening on br0, link-type EN10MB\n${text}`)).toEqual(counters);
  });

  test('in other words they are unknown, which is no error', () => {
    expect(countersIn('50 Pakete aufgezeichnet\n')).toBeNull();
  });
});

describe('what to do', () => {
  const program = '/usr/bin/tcpdump';
  const refused = "br0: You don't have permission to perform this capture on that device";

  test('about a right that is missing', async () => {
    expect(await advice(refused, { program, root: false })).toMatch(
      'setcap cap_net_raw,cap_net_admin=eip /usr/bin/tcpdump',
    );
    expect(await advice(refused, { program, root: true })).toMatch('AppArmor');
  });

  test('about an interface that is gone: those there are', async () => {
    expect(await advice('pcap_loop: The interface disappeared', { program, root: true })).toMatch(
      /has .*\blo\b/,
    );
  });

  test('about a filter', async () => {
    expect(await advice("can't parse filter expression: syntax error", { program, root: true })).toMatch(
      'auxiliary.conf: [sniffer] bpf',
    );
  });

  test('nothing about the rest', async () => {
    expect(await advice('something else', { program, root: true })).toBe('');
  });
});
