import { describe, expect, test } from '@jest/globals';
import { TraceBuilder } from '../trace/trace.js';
import type { TracedProcess } from '../trace/process.js';
import { attribute, type Ends } from './attribution.js';

/** Processes 1 and 2; each call is `pid time text`. */
function trace(...calls: string[]): ReturnType<TraceBuilder['finish']> {
  const builder = new TraceBuilder();
  builder.push(Buffer.from(['1 1.000000 fork() = 2', ...calls].map((call) => `${call}\n`).join('')));
  return builder.finish();
}

const open = (pid: number, time: number, fd: number, port = 80): string =>
  `${pid} ${time}.000000 socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) = ${fd}\n` +
  `${pid} ${time}.000000 connect(${fd}, {sa_family=AF_INET, sin_port=htons(${port}), sin_addr=inet_addr("192.0.2.1")}, 16) = 0`;
const local = (pid: number, fd: number, port: number): string =>
  `${pid} 50.000000 getsockname(${fd}, {sa_family=AF_INET, sin_port=htons(${port}), sin_addr=inet_addr("10.0.2.15")}, [16]) = 0`;
const flow = (sport: number, time: number, dport = 80): Ends => ({
  protocol: 'tcp',
  sport,
  dst: '192.0.2.1',
  dport,
  time,
});

function owners(flows: readonly Ends[], ...calls: string[]): (number | undefined)[] {
  return ownersAhead(0, flows, ...calls);
}

function ownersAhead(seconds: number, flows: readonly Ends[], ...calls: string[]): (number | undefined)[] {
  const found: Map<Ends, TracedProcess> = attribute(flows, trace(...calls).connections, seconds);
  return flows.map((one) => found.get(one)?.pid);
}

describe('whose connection is it?', () => {
  test('its own port is proof, against the order', () => {
    const calls = [open(1, 10, 3), open(2, 11, 3), local(1, 3, 5002), local(2, 3, 5001)];
    expect(owners([flow(5001, 110), flow(5002, 111)], ...calls)).toEqual([2, 1]);
  });

  test('the only process that went there', () => {
    expect(owners([flow(5001, 110), flow(5002, 111), flow(5003, 112, 81)], open(2, 10, 3))).toEqual([
      2,
      2,
      undefined,
    ]);
  });

  test('as many connections as flows: the order', () => {
    expect(owners([flow(5001, 110), flow(5002, 111)], open(2, 10, 3), open(1, 11, 3))).toEqual([2, 1]);
  });

  test('else the time, with the guest’s clock set right by what is known', () => {
    const known = [open(1, 5, 9, 81), local(1, 9, 7000)];
    const calls = [...known, open(1, 10, 3), open(2, 20, 3), open(1, 30, 3)];
    expect(owners([flow(7000, 1005, 81), flow(5001, 1019.5), flow(5002, 1031)], ...calls)).toEqual([1, 2, 1]);
  });

  test('with no pair known, the clock is set right by what it was set to', () => {
    const calls = [open(1, 10, 3), open(2, 20, 3), open(1, 30, 3)];
    const later = [flow(5001, 1019.5), flow(5002, 1031)];
    expect(ownersAhead(-1000, later, ...calls)).toEqual([2, 1]);
  });
});
