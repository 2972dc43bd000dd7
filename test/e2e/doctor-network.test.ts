import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import type { Verdict } from '../../apps/verdict.js';

const HARNESS = fileURLToPath(new URL('../support/hops-network.js', import.meta.url));
/** Network namespaces of its own are root's to make. */
const asRoot = process.getuid?.() === 0 ? test : test.skip;

asRoot('a guest on a real bridge: which hop a fault is at', async () => {
  const argv = ['--net', process.execPath, HARNESS];
  const { stdout } = await promisify(execFile)('unshare', argv, {
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  const found = JSON.parse(stdout) as Record<string, readonly Verdict[]>;
  const hops = (name: string) => found[name]?.map(({ check, status }) => `${check ?? ''} ${status}`);
  const fault = (name: string) => found[name]?.find(({ status }) => status === 'fail');

  expect(hops('sound')).toEqual([
    'interface ok',
    'restore ok',
    'start ok',
    'network card ok',
    'agent port ok',
    'agent ok',
    'result server ok',
    'clock ok',
    'stop ok',
  ]);
  expect(found['sound']?.find(({ check }) => check === 'network card')?.found).toMatch(
    /^([0-9a-f]{2}:){5}[0-9a-f]{2} answers for 10\.77\.0\.9 on br-lab$/,
  );
  expect(fault('another address')).toMatchObject({
    check: 'network card',
    found: expect.stringMatching(/nobody answers for 10\.77\.0\.50 on br-lab; seen there: 10\.77\.0\.9 \(/),
  });
  expect(fault('another network')).toMatchObject({
    check: 'network card',
    found: '10.99.0.9 is in no network of br-lab, which has 10.77.0.1/24',
  });
  expect(fault('another port')).toMatchObject({
    check: 'agent port',
    found: expect.stringContaining('nothing listens on 10.77.0.9:8001'),
  });
  expect(fault('no way to the result server')).toMatchObject({
    check: 'result server',
    found: expect.stringContaining('10.77.0.1:2042: timed out'),
    fix: expect.stringContaining('iptables -I INPUT -i br-lab -p tcp --dport 2042 -j ACCEPT'),
  });
  expect(fault('its firewall')).toMatchObject({
    check: 'agent port',
    found: expect.stringContaining('says nothing on 10.77.0.9:8000'),
  });
  expect(fault('an interface that is down')).toMatchObject({
    check: 'network card',
    found: expect.stringContaining('which has no address, or is down'),
  });
});
