import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { BridgeLab } from '../support/bridge/lab.js';
import { GUEST_IP, HOST_IP } from '../support/bridge/guest.js';
import { until } from '../support/until.js';

/** What a guest did on the fake internet, and what must be told of it wherever its packets were captured. */
const VISIT = {
  seen: {
    ...{
      http: '200 198.18.0.11',
      post: '200 198.18.0.12',
      https: '200 198.18.0.11',
      bare: '200 203.0.113.7',
    },
    ...{ wget: 'ok\n', ftp: 'ok\n', ntp: 2031 },
  },
  notes: ['the firewall dropped 3 packets of the guest (180 bytes)'],
  log: ['route opened', 'route cut'],
  records: expect.arrayContaining([
    'dns A one.example',
    'http 198.18.0.11:80 GET one.example/a.txt',
    'http 198.18.0.12:8000 POST two.example:8000/gate.php',
    'tls 198.18.0.11:443 one.example',
    'http 198.18.0.11:443 GET one.example/b',
    'http 203.0.113.7:80 GET 203.0.113.7/',
    'http 198.18.0.13:80 GET three.example/x.txt',
    'tcp 198.18.0.14:21 ftp',
    'tcp 203.0.113.9:4444 unknown',
    'udp 192.0.2.123:123 ntp',
  ]),
  tcp: [
    '198.18.0.11:80 one.example http',
    '198.18.0.12:8000 two.example http',
    '198.18.0.11:443 one.example tls',
    '203.0.113.7:80  http',
    '198.18.0.13:80 three.example http',
    '198.18.0.14:21 files.example ftp',
    expect.stringMatching(/^198\.18\.0\.14:4\d{4} files\.example $/),
    '203.0.113.9:4444  ',
  ],
  udp: ['192.0.2.53:53 dns', '192.0.2.123:123 ntp'],
  http: [
    'http://one.example/a.txt',
    'http://two.example:8000/gate.php secret=1',
    'https://one.example/b',
    'http://203.0.113.7/',
    'http://three.example/x.txt',
  ],
  dead: [],
  domains: ['one.example', 'two.example', 'three.example', 'files.example'],
  sni: ['one.example'],
};

describe('a guest on a bridge', () => {
  let lab: BridgeLab;
  beforeAll(async () => {
    lab = await BridgeLab.open();
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  describe('is captured', () => {
    test('whole, when the capture ends at once', async () => {
      const { counts, ...rest } = (await lab.play('whole')) as { counts: { packets: number } };
      // ARP may be needed or not.
      expect(counts).toEqual({ packets: expect.any(Number), omitted: 0, dropped: 0 });
      expect(counts.packets).toBeGreaterThanOrEqual(50);
      expect(rest).toEqual({
        flows: [{ src: GUEST_IP, dst: HOST_IP, bytesOut: 50 }],
        notes: [],
        mode: 0o640,
      });
    });

    test("without the agent's and the results' traffic, unless it is asked for", async () => {
      expect(await lab.play('filtered')).toEqual({ usual: [2043], debug: [2042, 2043], bpf: [] });
    });

    test("in Linux's cooked frames, which the report reads as well", async () => {
      const flow = { src: GUEST_IP, dst: HOST_IP, protocol: 'udp' };
      expect(await lab.play('cooked')).toEqual({ flows: [flow], notes: [] });
    });

    test('up to the size that is allowed', async () => {
      const { counts, size, notes } = (await lab.play('limited')) as {
        counts: { packets: number; omitted: number };
        size: number;
        notes: string[];
      };
      expect(counts.packets + counts.omitted).toBeGreaterThanOrEqual(50);
      expect(counts.omitted).toBeGreaterThan(0);
      expect(size).toBeLessThanOrEqual(5_000);
      expect(notes).toEqual([]);
    });
  });

  describe('is not captured', () => {
    test('when something is wrong, which is told by name', async () => {
      const failed = (message: RegExp) => ({
        code: 'CAPTURE_FAILED',
        message: expect.stringMatching(message),
      });
      const wrong = (message: RegExp) => ({
        code: 'CONFIG_INVALID',
        message: expect.stringMatching(message),
      });
      expect(await lab.play('wrong')).toEqual({
        interface: failed(/^there is no interface "nosuch0" .* lo, br0, v0$/),
        number: failed(/^there is no interface "1" /),
        filter: failed(/parse filter .*auxiliary\.conf: \[sniffer\] bpf$/),
        folder: failed(/missing\/dump\.pcap cannot be written$/),
        program: {
          code: 'SETUP_MISSING',
          message: expect.stringMatching(/^there is no program \/opt\/nothing\/dump /),
        },
        bpf: wrong(/^auxiliary\.conf: \[sniffer\] bpf = tcp port 80\) or \(udp: .*syntax error/),
      });
    });

    test('any more when tcpdump is killed, its interface goes or the disk is full: known at once', async () => {
      const killed = { code: 'CAPTURE_FAILED', message: 'tcpdump on br0 ended (SIGKILL)' };
      expect(await lab.play('killed')).toEqual({ failed: killed, finish: killed });
      expect(await lab.play('unplugged')).toMatchObject({
        code: 'CAPTURE_FAILED',
        message: expect.stringMatching(/^tcpdump on gone0 ended .*disappeared: this host has lo, br0, v0$/),
      });
      const full = { code: 'NO_DISK_SPACE', message: expect.stringMatching(/dump\.pcap cannot be written$/) };
      expect(await lab.play('full')).toEqual({ failed: full, finish: full });
    });

    test('by a worker that was killed', async () => {
      await using other = await BridgeLab.open();
      const pid = (await other.play('left')) as number;
      await other.kill();
      await until(() => !existsSync(`/proc/${pid}`));
    });
  });

  test('uploads by its address, and nobody else does', async () => {
    expect(await lab.play('results')).toEqual({
      other: expect.stringMatching(/^(b''|reset)$/),
      files: ['mine'],
      stats: { files: 1, bytes: 4, connections: 1, refused: 0 },
    });
  });

  describe('meets the fake internet', () => {
    test('where its packets are captured as they were sent', async () => {
      expect(await lab.play('unbridged')).toEqual(VISIT);
    });

    test('where the host filters bridged traffic, and they are captured turned', async () => {
      expect(await lab.play('internet')).toEqual(VISIT);
    });

    test('where nothing is captured: what was asked is known, and the port', async () => {
      expect(await lab.play('uncaptured')).toEqual({
        notes: [expect.stringMatching(/^the traffic is not captured/), ...VISIT.notes],
        records: ['dns A one.example', 'dns AAAA one.example', `http ${HOST_IP}:80 GET one.example/a.txt`],
        files: ['fakenet.jsonl'],
      });
    });
  });

  test('has no network when a part of it is missing, and its task ends when one fails', async () => {
    const lost = { code: 'ROUTE_UNAVAILABLE', message: 'the rooter went away' };
    const refused = (code: string, message: RegExp) => ({
      error: { code, message: expect.stringMatching(message) },
      log: [],
    });
    expect(await lab.play('refusals')).toEqual({
      ...{ lost, finish: lost },
      noInterface: refused('CAPTURE_FAILED', /which interface lin1 is behind: name it/),
      otherInterface: refused('CAPTURE_FAILED', /behind the interface vboxnet9, .* lo, br0, v0/),
      noneButNoInterface: refused('CAPTURE_FAILED', /which interface lin1 is behind/),
      nictrace: refused('CONFIG_INVALID', /option nictrace, and its hypervisor cannot capture/),
      bpf: refused('CONFIG_INVALID', /bpf = prt 80/),
    });
  });

  test('is captured by its hypervisor when it has the option nictrace', async () => {
    expect(await lab.play('nictrace')).toEqual({
      log: ['lin1 to /dump.pcap', 'stopped'],
      finish: 'no error',
    });
  });

  test('runs an analysis with an analyzer of its own, from the agent to the evidence', async () => {
    expect(await lab.play('detonated')).toEqual({
      outcome: { status: 'completed' },
      log: 'hello from the analyzer\n',
      files: expect.objectContaining({ path: 'files/loot', filepath: '/root/loot', pids: [7, 8] }),
      loot: 'status 200',
      ports: [53, 80],
      asked: expect.arrayContaining(['dns', 'http']),
      from: ['the guest'],
      notes: VISIT.notes,
    });
  });
});
