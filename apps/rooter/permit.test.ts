import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { Findings } from '#config/findings.js';
import { readTexts } from '#config/layers.js';
import type { MachineryName } from '#config/machineries.js';
import { settingsOf } from '#config/settings.js';
import { permits, permitted } from './permit.js';

test('only machines of the machinery that is used have permits, whatever other files hold', async () => {
  const dir = fileURLToPath(new URL('../../test/fixtures/conf/cuckoo-2.0.7', import.meta.url));
  const shipped = settingsOf(dir, await readTexts(dir), new Findings());
  const of = (...machinery: readonly MachineryName[]): readonly string[] =>
    [...permits(shipped, machinery)].map(([name, { ip, interface: behind }]) => `${name} ${ip} ${behind}`);
  expect(of('kvm')).toEqual(['cuckoo1 192.168.122.101 virbr0']);
  expect(of('virtualbox', 'fake')).toEqual(['cuckoo1 192.168.56.101 vboxnet0']);
  expect(of('fake')).toEqual([]);
  expect(() => of('kvm', 'virtualbox')).toThrow(
    'cuckoo1 of kvm.conf and cuckoo1 of virtualbox.conf both have the name cuckoo1',
  );
});

test('only machines with an address and an interface that nft takes literally may have routes', () => {
  const odd = ['br*', 'a"b', '-x'].map(
    (name, at) => `[o${at}]\nip = 10.0.0.${at + 10}\ninterface = ${name}\n`,
  );
  const kvm = `[kvm]\nmachines = a, o0, o1, o2\ninterface = br0\n[a]\nip = 10.0.0.2\n${odd.join('')}`;
  const cuckoo = '[resultserver]\nip = 10.0.0.1\nport = 0\n';
  const texts = new Map([['conf/cuckoo.conf', cuckoo], ['conf/kvm.conf', kvm]]); // prettier-ignore
  const allowed = permits(settingsOf('conf', texts, new Findings()), ['kvm']);
  expect([...allowed.keys()]).toEqual(['a']);
  const request = {
    ...{ task: 1, machine: 'a', ip: '10.0.0.2', interface: 'br0', agentPort: 8000 },
    ...{ resultServer: { ip: '10.0.0.1', port: 2042 }, route: 'drop', fakenet: null },
  };
  expect(permitted(allowed, request)).toMatchObject({ ip: '10.0.0.2' });
  const other = { ...request, resultServer: { ip: '10.0.0.1', port: 2043 } };
  expect(() => permitted(allowed, other)).toThrow('resultServer.port of a is 2042');
});
