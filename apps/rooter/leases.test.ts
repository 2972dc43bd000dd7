import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { RouteRequest } from '#network/rooter/protocol.js';
import { until } from '../../test/support/until.js';
import type { Leases } from './leases.js';
import type { Routing } from './routing.js';

/** Fails as the file `<name>.fails` says, once per line of it; else ends well. Notes what it was asked. */
const PROGRAM = `#!/bin/sh
dir=$(dirname "$0"); name=$(basename "$0")
{ echo "$name $*"; [ "$name" = conntrack ] || cat; } >> "$dir/log"
[ -s "$dir/$name.fails" ] || exit 0
head -n 1 "$dir/$name.fails" >&2
sed -i 1d "$dir/$name.fails"
exit 1
`;
const RACE = "conntrack v1.4.7 (conntrack-tools): Operation failed: such conntrack doesn't exist\n";
const NFT_FAILS = 'Error: Could not process rule: Resource busy\n';

const path = process.env['PATH'];
let dir: string;
let warnings: string[];
let leases: Leases;
const [me, other] = [{}, {}];

const request = (task: number, machine = 'w'): RouteRequest => ({
  ...{ task, machine, ip: machine === 'w' ? '10.0.0.2' : '10.0.0.3', interface: 'br0', agentPort: 8000 },
  ...{ resultServer: { ip: '10.0.0.1', port: 2042 }, route: 'drop', fakenet: null },
});
const permit = (ip: string) => ({
  ...{ ip, interface: 'br0', mac: null, agentPort: 8000 },
  resultServer: { ip: '10.0.0.1', port: 2042 },
});
const routing: Routing = {
  ...{ none: 'drop', internet: null, rtTable: 'main', autoRt: true, rejectSegments: [], vpns: [] },
  inetsim: { enabled: false, server: '10.0.0.1', ports: [], dnsport: 53 },
  tor: { enabled: false, dnsport: 5353, proxyport: 9040 },
};

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'leases-'));
  for (const name of ['nft', 'conntrack']) {
    await writeFile(join(dir, name), PROGRAM);
    await chmod(join(dir, name), 0o755);
  }
  // Read when the module is loaded.
  process.env['PATH'] = `${dir}:${path}`;
});
afterAll(async () => {
  process.env['PATH'] = path;
  await rm(dir, { recursive: true });
});
beforeEach(async () => {
  await writeFile(join(dir, 'log'), '');
  warnings = [];
  const { Leases: Real } = await import('./leases.js');
  const permits = new Map([['w', permit('10.0.0.2')], ['v', permit('10.0.0.3')]]); // prettier-ignore
  const rights = { routing, interfaces: new Set(['br0']), mayServe: () => false };
  leases = new Real(permits, rights, (what) => warnings.push(what));
});
afterEach(async () => {
  for (const name of ['nft', 'conntrack']) await rm(join(dir, `${name}.fails`), { force: true });
  await leases[Symbol.asyncDispose]();
});

const fails = (name: string, ...how: string[]): Promise<void> =>
  writeFile(join(dir, `${name}.fails`), how.join(''));
const log = (): Promise<string> => readFile(join(dir, 'log'), 'utf8');
/** Times that the rules of a task were taken away, or tried to. */
const closings = async (task: number): Promise<number> =>
  (await log()).split(`delete counter inet malkoha t_${task}\n`).length - 1;

test('a machine whose guest is cut off counts as running until it is declared stopped', async () => {
  const id = await leases.open(request(1), me);
  await leases.cut(id);
  await leases.cut(id);
  expect([await closings(1), leases.unstopped]).toEqual([1, ['w']]);
  await leases.close(id);
  await leases.close(id);
  expect([await closings(1), leases.unstopped, leases.has(id)]).toEqual([1, [], false]);
});

test('whoever has a machine may open it again, nobody else, unless they are gone', async () => {
  const first = await leases.open(request(1), me);
  // A task that was given up while its route was opened: the next one must not suffer for it.
  const id = await leases.open(request(1), me);
  expect([leases.has(first), leases.has(id)]).toEqual([false, true]);
  await leases.cut(id);
  await expect(leases.open(request(2), other)).rejects.toThrow('w has a route already, for task 1');
  const again = await leases.open(request(2), me);
  expect([leases.has(id), leases.unstopped]).toEqual([false, ['w']]);
  await leases.abandon(again);
  await leases.close(await leases.open(request(3), other));
  expect(leases.unstopped).toEqual([]);
});

test('a guest that could not be cut off is cut off as soon as it can be', async () => {
  const id = await leases.open(request(1), me);
  await fails('nft', NFT_FAILS);
  await expect(leases.cut(id)).rejects.toThrow('Resource busy');
  await expect(leases.counters(id)).rejects.toThrow('there is no open lease');
  await until(() => warnings.length > 0);
  expect(warnings).toEqual(['the guest of w is cut off, late']);
  expect([await closings(1), leases.unstopped]).toEqual([2, ['w']]);
  await leases.close(id);
});

test('a lease whose machine has stopped is over once its rules can be taken away, without being asked again', async () => {
  const id = await leases.open(request(1), me);
  await fails('nft', NFT_FAILS);
  await expect(leases.close(id)).rejects.toThrow('Resource busy');
  expect([leases.has(id), leases.unstopped]).toEqual([true, []]);
  await until(() => !leases.has(id));
  expect(await closings(1)).toBe(2);
});

test('what an earlier lease could not undo is undone before the next of its machine or task', async () => {
  const id = await leases.open(request(1), me);
  await fails('nft', NFT_FAILS, NFT_FAILS);
  await expect(leases.cut(id)).rejects.toThrow('Resource busy');
  await expect(leases.open(request(2), me)).rejects.toThrow('Resource busy');
  await leases.close(await leases.open(request(1, 'v'), me));
  expect([await closings(1), leases.unstopped]).toEqual([4, ['w']]);
});

test('connections that expire while they are deleted keep no route from being opened', async () => {
  await fails('conntrack', RACE, RACE, RACE);
  await leases.close(await leases.open(request(1), me));
  expect((await log()).match(/^conntrack -D -f ipv4 --orig-src/gm)).toHaveLength(5);
  expect(warnings).toEqual([]);
});

test('connections that cannot be deleted keep nothing else from being undone, and are told', async () => {
  const [first, second] = [await leases.open(request(1), me), await leases.open(request(2, 'v'), me)];
  await fails('conntrack', 'no memory\n', RACE.repeat(200));
  await leases.cut(first);
  expect(await leases.remake(async () => {})).toEqual([second]);
  expect(warnings).toEqual([
    expect.stringMatching(/^connections of w may stay .*no memory/),
    expect.stringMatching(/^connections of v may stay .*such conntrack doesn't exist/),
  ]);
  await rm(join(dir, 'conntrack.fails'));
  expect(leases.unstopped).toEqual(['w', 'v']);
  for (const id of [first, second]) await leases.close(id);
});
