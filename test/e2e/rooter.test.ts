import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { RooterClient, type RouteLease } from '#network/rooter/client.js';
import type { RouteRequest } from '#network/rooter/protocol.js';
import { asUser, end, holder, talk } from '../support/network/rooter-clients.js';
import { GUEST, HOST, RoutedLab, SERVER, type GuestName } from '../support/network/routed-lab.js';
import { until } from '../support/until.js';

const never = new AbortController().signal;
const WEB = 80;

/** Over more than a second, so that some expire at every moment after. */
const FLOOD = `
import socket, sys, time
for flow in range(2000):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(b'x', (sys.argv[1], 2000 + flow))
    if flow % 10 == 0: time.sleep(0.006)
`;

/** The process that a rooter runs a program in. */
async function childNamed({ pid }: ChildProcess, name: string): Promise<number> {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ');
  for (const child of children)
    if ((await readFile(`/proc/${child}/comm`, 'utf8')).trim() === name) return Number(child);
  throw new Error(`the rooter has no child ${name}`);
}

describe('malkoha rooter', () => {
  let lab: RoutedLab;
  let untouched: string;
  let rooter: ChildProcess;
  let client: RooterClient;

  beforeAll(async () => {
    lab = await RoutedLab.make();
    const { host, up1, up2, g1, g2, g3 } = lab.probes;
    for (const [name, probe] of [
      ['first', up1],
      ['second', up2],
    ] as const) {
      await probe.listen('tcp', SERVER, WEB, name);
      await probe.listen('udp', SERVER, 53, name);
    }
    await up1.listen('tcp', '198.51.100.200', WEB, 'rejected segment');
    await host.listen('tcp', '0.0.0.0', 2042, 'results');
    await host.listen('tcp', '0.0.0.0', 22, 'shell of the host');
    await host.listen('tcp', '::', 23, 'shell of the host');
    await host.listen('udp', HOST, 53, 'names of the host');
    for (const [name, probe] of [
      ['g1', g1],
      ['g2', g2],
      ['g3', g3],
    ] as const) {
      await probe.listen('tcp', GUEST[name], 8000, `agent of ${name}`);
      await probe.listen('tcp', GUEST[name], 445, `files of ${name}`);
    }
    // What is sent again and again between the two must not depend on whether an answer to ARP is awaited still.
    const link = await lab.guests.g2.run('ip', '-o', 'link', 'show', 'eth0');
    const card = /link\/ether (\S+)/.exec(link)?.[1];
    await lab.guests.g1.ip(`neigh replace ${GUEST.g2} lladdr ${card} dev eth0 nud permanent`);
    untouched = await lab.state();
    rooter = await lab.rooter();
    client = await RooterClient.connect(lab.socket, never);
  });

  afterAll(async () => {
    await client[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
  });

  const t = (machine: GuestName) => ['inet', `t_${1 + Object.keys(GUEST).indexOf(machine)}`] as const;
  const STRAYS = ['inet', 'strays'] as const;

  /** A lease whose machine has stopped when the test lets it go. */
  const untilStopped = async (request: RouteRequest): Promise<RouteLease> => {
    const lease = await client.open(request, never);
    return { ...lease, [Symbol.asyncDispose]: () => lease.close(never) };
  };

  /** The guest runs on, and reaches neither what its route led to nor its result server, neighbours or agent's host. */
  const isCutOff = async (): Promise<void> => {
    const { g1, host } = lab.probes;
    await lab.isDropped(STRAYS, g1, () => g1.ask('udp', SERVER, 53));
    await lab.isDropped(STRAYS, g1, () => g1.ask('tcp', SERVER, WEB));
    await lab.isDropped(STRAYS, g1, () => g1.ask('tcp', HOST, 2042));
    await lab.isDropped(STRAYS, g1, () => lab.ping(lab.guests.g1, GUEST.g1, HOST));
    await lab.isDropped(['bridge', 'strays'], g1, () => g1.ask('tcp', GUEST.g2, 445));
    await lab.isDropped(STRAYS, host, () => host.ask('tcp', GUEST.g1, 8000));
  };

  test('a guest without a route reaches nothing, and is reached by nobody', async () => {
    const { g1, host } = lab.probes;
    await lab.isDropped(STRAYS, g1, () => g1.ask('tcp', HOST, 2042));
    await lab.isDropped(STRAYS, g1, () => g1.ask('udp', HOST, 53));
    await lab.isDropped(STRAYS, host, () => host.ask('tcp', GUEST.g1, 8000));
  });

  test.each(['drop', 'none'])(
    'with the route %s a guest reaches its result server and nothing else',
    async (route) => {
      const { g1, host } = lab.probes;
      await using lease = await untilStopped(lab.request('g1', route));
      expect(await g1.ask('tcp', HOST, 2042)).toBe(`results from ${GUEST.g1}`);
      expect(await host.ask('tcp', GUEST.g1, 8000)).toBe(`agent of g1 from ${HOST}`);

      await lab.isDropped(t('g1'), g1, () => g1.ask('tcp', HOST, 22));
      await lab.isDropped(t('g1'), g1, () => g1.ask('udp', HOST, 53));
      await lab.isDropped(t('g1'), g1, () => g1.ask('tcp', '198.51.100.2', 22));
      await lab.isDropped(t('g1'), g1, () => g1.ask('tcp', '10.0.1.1', 2042));
      await lab.isDropped(t('g1'), g1, () => lab.ping(lab.guests.g1, GUEST.g1, HOST));
      await lab.isDropped(t('g1'), host, () => host.ask('tcp', GUEST.g1, 445));
      await lab.isDropped(STRAYS, g1, () => g1.ask('tcp', 'fd00::1', 23));
      // With another's address, and with one that nobody has.
      await lab.isDropped(STRAYS, g1, () => lab.ping(lab.guests.g1, GUEST.g3, HOST));
      await lab.isDropped(STRAYS, g1, () => lab.ping(lab.guests.g1, '10.0.0.77', HOST));
      const { droppedPackets, droppedBytes } = await lease.counters(never);
      expect(droppedPackets).toBeGreaterThanOrEqual(6);
      expect(droppedBytes).toBeGreaterThan(droppedPackets * 20);
    },
  );

  test('two guests reach each other neither on one bridge nor through the host', async () => {
    const { g1, g2 } = lab.probes;
    await using _first = await untilStopped(lab.request('g1', 'internet'));
    await using _second = await untilStopped(lab.request('g2', 'internet'));
    await using _third = await untilStopped(lab.request('g3', 'internet'));
    await lab.isDropped(['bridge', 'strays'], g1, () => g1.ask('tcp', GUEST.g2, 445));
    await lab.isDropped(['bridge', 'strays'], g2, () => g2.ask('tcp', 'fd00::11', 445));
    await lab.isDropped(t('g1'), g1, () => g1.ask('tcp', GUEST.g3, 445));
  });

  test('with the route internet a guest leaves by the line, behind its address', async () => {
    const { g1 } = lab.probes;
    const before = await lab.state();
    const lease = await client.open(lab.request('g1', 'internet'), never);
    expect(await g1.ask('tcp', SERVER, WEB)).toBe('first from 198.51.100.2');
    expect(await g1.ask('udp', SERVER, 53)).toBe('first from 198.51.100.2');
    await lab.isDropped(t('g1'), g1, () => g1.ask('tcp', '198.51.100.200', WEB));
    await lab.isDropped(t('g1'), g1, () => g1.ask('tcp', HOST, 22));
    await lab.isDropped(t('g1'), g1, () => g1.ask('tcp', '203.0.113.2', 22));
    await lease.close(never);
    expect(await lab.state()).toBe(before);
    await lab.isDropped(STRAYS, g1, () => g1.ask('tcp', SERVER, WEB));
  });

  test('nobody upstream uses the host as a router while a route is open', async () => {
    const { up1 } = lab.probes;
    await using _lease = await untilStopped(lab.request('g1', 'internet'));
    await lab.upstream.ip('route add 10.0.0.0/8 via 198.51.100.2\nroute add 203.0.113.0/24 via 198.51.100.2');
    await lab.isDropped(STRAYS, up1, () => up1.ask('tcp', GUEST.g3, 445));
    await lab.isDropped(t('g1'), up1, () => up1.ask('tcp', GUEST.g1, 445));
    await lab.isDropped(STRAYS, up1, () => up1.ask('tcp', '203.0.113.77', WEB));
    await lab.upstream.ip('route del 10.0.0.0/8\nroute del 203.0.113.0/24');
  });

  test('two guests have two lines, and changing a line takes the old connections away', async () => {
    const { g1, g3 } = lab.probes;
    const before = await lab.state();
    const first = await client.open(lab.request('g1', 'here'), never);
    const third = await client.open(lab.request('g3', 'internet'), never);
    expect(await g1.ask('tcp', SERVER, WEB)).toBe('second from 203.0.113.2');
    expect(await g1.ask('udp', SERVER, 53)).toBe('second from 203.0.113.2');
    expect(await g3.ask('udp', SERVER, 53)).toBe('first from 198.51.100.2');
    await third.close(never);
    const again = await client.open(lab.request('g3', 'here'), never);
    expect(await g3.ask('udp', SERVER, 53)).toBe('second from 203.0.113.2');
    await first.close(never);
    await again.close(never);
    expect(await lab.state()).toBe(before);
    expect(await lab.host.run('conntrack', '-L', '-s', GUEST.g1)).not.toContain(GUEST.g1);
  });

  test('flows that expire while they are deleted keep nothing from being taken back', async () => {
    await lab.host.run('sysctl', '-qw', 'net.netfilter.nf_conntrack_udp_timeout=1');
    const before = await lab.state();
    for (let round = 0; round < 3; round++) {
      const lease = await client.open(lab.request('g1', 'internet'), never);
      await lab.guests.g1.run('python3', '-c', FLOOD, SERVER);
      await lease.close(never);
      expect(await lab.state()).toBe(before);
    }
    await lab.host.run('sysctl', '-qw', 'net.netfilter.nf_conntrack_udp_timeout=30');
  });

  test('an empty routing table is filled while it is used, and emptied again', async () => {
    const before = await lab.state();
    const lease = await client.open(lab.request('g1', 'filled'), never);
    expect(await lab.host.run('ip', 'route', 'show', 'table', '78')).toContain(
      'default via 198.51.100.1 dev up1',
    );
    expect(await lab.probes.g1.ask('tcp', SERVER, WEB)).toBe('first from 198.51.100.2');
    await lease.close(never);
    expect(await lab.state()).toBe(before);
  });

  test('a line that goes away leaks nothing by another', async () => {
    const { g1 } = lab.probes;
    await using _lease = await untilStopped(lab.request('g1', 'here'));
    await lab.host.run('ip', 'link', 'set', 'up2', 'down');
    try {
      await lab.isDropped(t('g1'), g1, () => g1.ask('tcp', SERVER, WEB));
      await expect(client.open(lab.request('g3', 'here'), never)).rejects.toThrow(
        'the interface up2 is down',
      );
    } finally {
      await lab.host.ip('link set up2 up\nroute add default via 203.0.113.1 dev up2 table 77');
    }
  });

  test('with the built-in fake internet every connection ends at its ports', async () => {
    const { g1, host } = lab.probes;
    const fakenet = { tcp: { '80': 18080, '443': 18443 }, anyTcp: 18000, udp: { '53': 15353 } };
    await expect(client.open(lab.request('g1', 'inetsim', { fakenet }), never)).rejects.toMatchObject({
      code: 'ROUTE_UNAVAILABLE',
      message: expect.stringContaining(`nothing listens at ${HOST}:18080/tcp`),
    });
    await host.listen('tcp', HOST, 18080, 'fake web');
    await host.listen('tcp', HOST, 18443, 'fake tls');
    await host.listen('tcp', HOST, 18000, 'fake any');
    await host.listen('udp', HOST, 15353, 'fake names');
    await using _lease = await untilStopped(lab.request('g1', 'inetsim', { fakenet }));
    expect(await g1.ask('tcp', SERVER, WEB)).toContain('fake web');
    expect(await g1.ask('tcp', '8.8.8.8', 443)).toContain('fake tls');
    expect(await g1.ask('tcp', '8.8.8.8', 4444)).toContain('fake any');
    expect(await g1.ask('tcp', HOST, 22)).toContain('fake any');
    expect(await g1.ask('udp', HOST, 53)).toContain('fake names');
    expect(await g1.ask('tcp', HOST, 2042)).toContain('results');
    await lab.isDropped(t('g1'), g1, () => g1.ask('udp', '8.8.8.8', 123));
  });

  test('with the route tor everything goes to Tor, and names to its own', async () => {
    const { g1, host } = lab.probes;
    await expect(client.open(lab.request('g1', 'tor'), never)).rejects.toThrow(
      `nothing listens at ${HOST}:9040/tcp, where Tor's TransPort should`,
    );
    await host.listen('tcp', HOST, 9040, 'tor');
    await host.listen('udp', HOST, 5353, 'tor names');
    await using _lease = await untilStopped(lab.request('g1', 'tor'));
    expect(await g1.ask('tcp', SERVER, WEB)).toContain('tor');
    expect(await g1.ask('udp', '8.8.8.8', 53)).toContain('tor names');
    await lab.isDropped(t('g1'), g1, () => g1.ask('udp', SERVER, 123));
  });

  test('what is not there or not configured is refused by name, and opens nothing', async () => {
    const before = await lab.state();
    const { g1 } = lab.probes;
    const refused = async (request: ReturnType<RoutedLab['request']>, message: string): Promise<void> => {
      await expect(client.open(request, never)).rejects.toThrow(message);
      expect(await lab.state()).toBe(before);
    };
    await refused(lab.request('g1', 'gone'), 'the route gone is not available: there is no interface tun9');
    await refused(lab.request('g1', 'spain'), 'routing.conf has no such route; it has none, drop, internet');
    await refused(lab.request('g1', 'drop', { ip: '10.0.0.9' }), `ip of g1 is ${GUEST.g1}`);
    await refused(lab.request('g1', 'drop', { interface: 'up1' }), 'interface of g1 is br0');
    await refused(lab.request('g1', 'drop', { agentPort: 22 }), 'agentPort of g1 is 8000');
    await refused(
      lab.request('g1', 'drop', { resultServer: { ip: HOST, port: 22 } }),
      'resultServer.port of g1 is 2042',
    );
    await refused(lab.request('g1', 'drop', { machine: 'other' }), 'has no machine "other"');
    await refused(lab.request('g1', 'drop; flush ruleset'), 'the name of a route');
    await lab.isDropped(STRAYS, g1, () => g1.ask('tcp', HOST, 2042));
    const states = await client.routes(never);
    expect(states.map(({ name, available }) => `${name} ${available}`)).toEqual([
    'none true', 'drop true', 'internet true', 'inetsim true', 'tor true', 'here true', 'filled true', 'gone false',
  ]); // prettier-ignore
    const lease = await client.open(lab.request('g1', 'drop'), never);
    const again = await client.open(lab.request('g1', 'drop'), never);
    for (const one of [lease, again]) await one.close(never);
  });

  test('a guest that is cut off reaches nothing, whatever it could before, and its machine may be opened again', async () => {
    const { g1, host } = lab.probes;
    const before = await lab.state();
    const lease = await client.open(lab.request('g1', 'internet'), never);
    expect(await g1.ask('udp', SERVER, 53)).toBe('first from 198.51.100.2');
    await lease.cut(never);
    await isCutOff();
    expect(await lab.host.run('conntrack', '-L', '-s', GUEST.g1)).not.toContain(GUEST.g1);
    const again = await client.open(lab.request('g1', 'here', { task: 9 }), never);
    expect(await g1.ask('udp', SERVER, 53)).toBe('second from 203.0.113.2');
    // Closing the lease that was replaced says nothing of the other.
    await lease.close(never);
    expect(await host.ask('tcp', GUEST.g1, 8000)).toBe(`agent of g1 from ${HOST}`);
    await again.close(never);
    expect(await lab.state()).toBe(before);
  });

  test('a rooter that cannot watch its rules any more cuts guests off and ends with 1, to be started again', async () => {
    const lease = await client.open(lab.request('g1', 'internet'), never);
    const monitor = await childNamed(rooter, 'nft');
    const ended = once(rooter, 'exit');
    process.kill(monitor, 'SIGKILL');
    await until(() => lease.failed.aborted);
    expect(lease.failed.reason).toMatchObject({ code: 'ROOTER_AWAY' });
    await isCutOff();
    await lease.close(never);
    expect(await ended).toEqual([1, null]);
    expect(await lab.state()).toBe(untouched);
    await client[Symbol.asyncDispose]();
    rooter = await lab.rooter();
    client = await RooterClient.connect(lab.socket, never);
  });

  test('a client that is killed leaves its guest cut off, until the machine is asked for again', async () => {
    const { g1 } = lab.probes;
    const line = JSON.stringify({ id: 1, op: 'open', request: lab.request('g1', 'internet') });
    const held = await holder(lab.socket, line);
    expect(held.answer).toMatchObject({ id: 1, ok: true });
    expect(await g1.ask('udp', SERVER, 53)).toContain('first');
    held.process.kill('SIGKILL');
    await once(held.process, 'exit');
    await until(async () => !(await lab.state()).includes('t_1_from'));
    await lab.isDropped(STRAYS, g1, () => g1.ask('udp', SERVER, 53));
    const lease = await client.open(lab.request('g1', 'drop'), never);
    await lease.close(never);
  });

  test('when somebody deletes its rules, it makes them anew with every guest cut off', async () => {
    const { g1, g2 } = lab.probes;
    const lease = await client.open(lab.request('g1', 'here'), never);
    await lab.host.run('nft', 'delete', 'table', 'inet', 'malkoha');
    await until(() => lease.failed.aborted);
    expect(String(lease.failed.reason)).toContain('somebody deleted the rules of the rooter');
    await lab.isDropped(STRAYS, g1, () => g1.ask('udp', SERVER, 53));
    await lab.isDropped(['bridge', 'strays'], g2, () => g2.ask('tcp', GUEST.g1, 445));
    await lease.close(never);
    const again = await client.open(lab.request('g1', 'here'), never);
    expect(await g1.ask('udp', SERVER, 53)).toContain('second');
    await again.close(never);
  });

  test('every line is answered, whatever it is', async () => {
    const answers = await talk(lab.socket, [
      'no json',
      '[]',
      '{"id":7}',
      '{"id":8,"op":"reboot"}',
      '{"id":-1,"op":"ping"}',
      '{"id":9,"op":"open","request":{"task":1}}',
      '{"id":10,"op":"counters","lease":1}',
      '{"id":11,"op":"ping","more":1}',
      '{"id":12,"op":"ping"}',
    ]);
    expect(answers.map(({ id, ok }) => [id, ok]).sort()).toEqual(
      [[null, false], [null, false], [7, false], [8, false], [null, false], [9, false], [10, false], [11, false], [12, true]].sort(), // prettier-ignore
    );
    const [tooLong] = await talk(lab.socket, ['x'.repeat(17_000)]);
    expect(tooLong).toMatchObject({ id: null, ok: false, message: expect.stringContaining('16384') });
  });

  test('its socket is for its user alone', async () => {
    const modes = [await stat(lab.socket), await stat(dirname(lab.socket))].map(({ mode }) =>
      (mode & 0o777).toString(8),
    );
    expect(modes).toEqual(['600', '700']);
    await expect(lab.rooter()).rejects.toThrow('another rooter has the rules of this host');
  });

  test('a rooter that is killed leaves guests as they are; the next one cuts them off and takes back all', async () => {
    const { g1, g3 } = lab.probes;
    const lease = await client.open(lab.request('g1', 'here'), never);
    const other = await client.open(lab.request('g3', 'filled'), never);
    rooter.kill('SIGKILL');
    await once(rooter, 'exit');
    await until(() => lease.failed.aborted && other.failed.aborted);
    expect(String(lease.failed.reason)).toContain('the rooter at');
    await expect(client.routes(never)).rejects.toMatchObject({ code: 'ROOTER_AWAY' });
    await client[Symbol.asyncDispose]();
    await expect(RooterClient.connect(lab.socket, never)).rejects.toThrow('has ended and left its socket');

    rooter = await lab.rooter();
    client = await RooterClient.connect(lab.socket, never);
    await lab.isDropped(STRAYS, g1, () => g1.ask('udp', SERVER, 53));
    await lab.isDropped(STRAYS, g3, () => g3.ask('udp', SERVER, 53));
    const again = await client.open(lab.request('g1', 'here'), never);
    expect(await g1.ask('udp', SERVER, 53)).toContain('second');
    await again.close(never);
  });

  test('told to end, it leaves its tables for machines that nobody declared stopped', async () => {
    const lease = await client.open(lab.request('g1', 'internet'), never);
    rooter.kill('SIGTERM');
    const ended = once(rooter, 'exit');
    await until(() => lease.failed.aborted);
    await lease.cut(never);
    await isCutOff();
    await client[Symbol.asyncDispose]();
    expect(await ended).toEqual([1, null]);
    await isCutOff();
    rooter = await lab.rooter();
    client = await RooterClient.connect(lab.socket, never);
    await isCutOff();
  });

  test('told to end, it cuts guests off, waits for their machines, and leaves the host as it was', async () => {
    const lease = await client.open(lab.request('g1', 'internet'), never);
    rooter.kill('SIGTERM');
    const ended = once(rooter, 'exit');
    await until(() => lease.failed.aborted);
    await lease.cut(never);
    await isCutOff();
    await lease.close(never);
    expect(await ended).toEqual([0, null]);
    expect(await lab.state()).toBe(untouched);
    await expect(RooterClient.connect(lab.socket, never)).rejects.toThrow('there is no socket of a rooter');
  });

  test('an InetSim on the bridge of the guests is reached by address and by everything else, and nothing more is', async () => {
    const { g1, g2 } = lab.probes;
    await lab.configure('routing.conf', `[inetsim]\nenabled = yes\nserver = ${GUEST.g2}\nports = 80:8080\n`);
    for (const port of [8080, 4444]) await g2.listen('tcp', GUEST.g2, port, `sim ${port}`);
    await g2.listen('udp', GUEST.g2, 53, 'sim names');
    rooter = await lab.rooter();
    client = await RooterClient.connect(lab.socket, never);
    const lease = await client.open(lab.request('g1', 'inetsim'), never);
    expect(await g1.ask('tcp', SERVER, WEB)).toBe(`sim 8080 from ${HOST}`);
    expect(await g1.ask('tcp', SERVER, 4444)).toBe(`sim 4444 from ${HOST}`);
    expect(await g1.ask('udp', '8.8.8.8', 53)).toBe(`sim names from ${HOST}`);
    expect(await g1.ask('tcp', HOST, 2042)).toBe(`results from ${GUEST.g1}`);
    // Without the host between them, as a name that it resolved to its own address leads to.
    expect(await g1.ask('tcp', GUEST.g2, 4444)).toBe(`sim 4444 from ${GUEST.g1}`);
    await lab.isDropped(t('g1'), g1, () => lab.ping(lab.guests.g1, GUEST.g1, HOST));
    await lease.close(never);
    await client[Symbol.asyncDispose]();
    await end(rooter);
    expect(await lab.state()).toBe(untouched);
  });

  test('machines of machinery that is not used are left alone', async () => {
    const { g1 } = lab.probes;
    await expect(lab.rooter(lab.socket, '--machinery', 'vmware')).rejects.toThrow(
      '"vmware\\" is not one of qemu, kvm',
    );
    rooter = await lab.rooter(lab.socket, '--machinery', 'qemu,virtualbox');
    client = await RooterClient.connect(lab.socket, never);
    await expect(client.open(lab.request('g1', 'drop'), never)).rejects.toThrow('has no machine "g1"');
    expect(await g1.ask('tcp', HOST, 22)).toBe(`shell of the host from ${GUEST.g1}`);
    await client[Symbol.asyncDispose]();
    await end(rooter);
  });

  test('a socket for another user and a group is theirs, and refuses everybody else', async () => {
    const [user, group] = [65_534, 65_533];
    const folder = await mkdtemp(join(tmpdir(), 'socket-'));
    const socket = join(folder, 'rooter.sock');
    try {
      await chown(folder, user, user);
      await chmod(folder, 0o711);
      await expect(lab.rooter(join(folder, 'none', 'x'), '--user', '65531')).rejects.toThrow(
        /cannot be made.*EACCES/,
      );
      expect(await lab.state()).toBe(untouched);
      rooter = await lab.rooter(socket, '--user', String(user), '--group', String(group));
      const { mode, uid, gid } = await stat(socket);
      expect([(mode & 0o777).toString(8), uid, gid]).toEqual(['660', user, group]);
      const ask = (uidOf: number, gidOf: number) => asUser(uidOf, gidOf, socket, '{"id":1,"op":"ping"}');
      expect(await ask(user, user)).toBe('{"id":1,"ok":true,"result":{}}');
      expect(await ask(65_532, group)).toBe('{"id":1,"ok":true,"result":{}}');
      expect(await ask(65_532, 65_532)).toBe('EACCES');
      await end(rooter);
      expect(await readdir(folder)).toEqual([]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
