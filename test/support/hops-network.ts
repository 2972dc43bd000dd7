import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parentPort } from 'node:worker_threads';
import type { Machine, PowerState } from '#domain/machine.js';
import { AgentClient } from '#guest/agent.js';
import { dialTcp } from '#guest/dial.js';
import type { Verdict } from '../../apps/verdict.js';
import { machineHops } from '../../apps/worker/doctor/machine/hops.js';
import type { Reach } from '../../apps/worker/doctor/machine/patient.js';

/**
 * A bridge with one "guest", a network namespace in which Malkoha's own agent listens, and doctor's hops through it: as it is,
 * and with each fault. To be run in a network namespace of its own (hops-network.js); all of it ends with the process.
 */
const HOST = '10.77.0.1';
const GUEST = '10.77.0.9';
const AGENT = fileURLToPath(new URL('../../analyzer-guest/agent/agent.py', import.meta.url));
const RIGHT: Reach = { ip: GUEST, agentPort: 8000, interface: 'br-lab' };

const run = (program: string, ...args: string[]): void =>
  void execFileSync(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
const ip = (line: string): void => run('ip', ...line.split(' '));

async function guest(): Promise<{ inside: (line: string) => void; children: ChildProcess[] }> {
  ip('link set lo up');
  ip('link add br-lab type bridge');
  ip(`addr add ${HOST}/24 dev br-lab`);
  ip('link set br-lab up');
  ip('link add tap-lab type veth peer name eth0');
  ip('link set tap-lab master br-lab up');
  // It says so once it is in its namespace.
  const box = spawn('unshare', ['-n', 'sh', '-c', 'echo in; exec sleep infinity'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(box.stdout, 'data');
  const enter = ['-t', String(box.pid), '-n'];
  const inside = (line: string): void => run('nsenter', ...enter, ...line.split(' '));
  ip(`link set eth0 netns ${box.pid ?? 0}`);
  inside('ip link set lo up');
  inside(`ip addr add ${GUEST}/24 dev eth0`);
  inside('ip link set eth0 up');
  const agent = spawn('nsenter', [...enter, 'python3', AGENT, '0.0.0.0', '8000'], { stdio: 'ignore' });
  return { inside, children: [agent, box] };
}

async function look(reach: Reach, bootMs = 1_500): Promise<readonly Verdict[]> {
  const machine: Machine = {
    ...{ name: 'own', label: 'own', platform: 'linux', arch: 'x64', tags: [], reserved: false },
    ...{ ip: reach.ip, resultServer: { ip: HOST, port: 2042 }, snapshot: 'clean' },
  };
  let power: PowerState = 'off';
  const turn = (to: PowerState) => async () => void (power = to);
  const patient = {
    machine,
    machinery: {
      ...{
        kind: 'test',
        machines: [machine],
        state: async () => power,
        lost: () => new AbortController().signal,
      },
      ...{ prepare: turn('paused'), start: turn('running'), stop: turn('off') },
    },
    agent: new AgentClient(dialTcp(reach.ip, reach.agentPort)),
    ...{ reach, section: '[own] of kvm.conf', options: [] },
    openNetwork: async () => ({ [Symbol.asyncDispose]: async () => {} }),
    ...{ stopped: () => {}, resultServerIp: HOST },
    missingAnalyzer: null,
    patience: { bootMs, answerMs: 20_000, heardMs: 12_000 },
    now: Date.now,
  };
  return await machineHops(patient, new AbortController().signal);
}

const { inside, children } = await guest();
try {
  const found: Record<string, readonly Verdict[]> = { sound: await look(RIGHT, 20_000) };
  found['another address'] = await look({ ...RIGHT, ip: '10.77.0.50' });
  found['another network'] = await look({ ...RIGHT, ip: '10.99.0.9' });
  found['another port'] = await look({ ...RIGHT, agentPort: 8001 });
  inside('nft add table inet guest');
  inside('nft add chain inet guest out { type filter hook output priority 0 ; }');
  inside('nft add rule inet guest out tcp dport 2042 drop');
  found['no way to the result server'] = await look(RIGHT);
  inside('nft add chain inet guest in { type filter hook input priority 0 ; }');
  inside('nft add rule inet guest in tcp dport 8000 drop');
  found['its firewall'] = await look(RIGHT);
  ip('link set br-lab down');
  found['an interface that is down'] = await look(RIGHT);
  parentPort?.postMessage(found);
} finally {
  for (const child of children) {
    const ended = once(child, 'exit');
    if (child.kill('SIGKILL')) await ended;
  }
}
