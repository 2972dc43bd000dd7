import { expect, test } from '@jest/globals';
import { captureFilter, type FilterParts } from './filter.js';

const parts: FilterParts = {
  ip: '192.168.56.101',
  resultServer: { ip: '192.168.56.1', port: 2042 },
  agentPort: 8000,
  hosts: ['192.168.56.1', '127.0.0.1'],
  debug: false,
  bpf: '',
};

const OURS =
  'host 192.168.56.101' +
  ' and not (tcp and dst host 192.168.56.101 and dst port 8000 and (src host 192.168.56.1 or src host 127.0.0.1))' +
  ' and not (tcp and src host 192.168.56.101 and src port 8000 and (dst host 192.168.56.1 or dst host 127.0.0.1))' +
  ' and not (tcp and dst host 192.168.56.1 and dst port 2042)' +
  ' and not (tcp and src host 192.168.56.1 and src port 2042)';

test("the guest's traffic, without the agent's and the results'", () => {
  expect(captureFilter(parts)).toBe(OURS);
  expect(captureFilter({ ...parts, bpf: ' ' })).toBe(OURS);
});

test("the operator's expression narrows it, as a whole", () => {
  expect(captureFilter({ ...parts, bpf: 'tcp or udp' })).toBe(`${OURS} and (tcp or udp)`);
});

test('with sniffer.debug=1 it is everything of the guest', () => {
  expect(captureFilter({ ...parts, bpf: 'tcp', debug: true })).toBe('host 192.168.56.101');
});
