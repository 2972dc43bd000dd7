import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { expect, test } from '@jest/globals';
import { SandboxError } from '#domain/errors.js';
import type { Machine, PowerState } from '#domain/machine.js';
import { AgentClient } from '#guest/agent.js';
import { dialTcp } from '#guest/dial.js';
import type { Machinery } from '#machinery/machinery.js';
import type { Verdict } from '../../apps/verdict.js';
import { machineHops } from '../../apps/worker/doctor/machine/hops.js';
import type { Patient } from '../../apps/worker/doctor/machine/patient.js';
import { emulateAgent, type AgentRequest } from '../support/agent-emulator.js';
import { freePort } from '../support/malkoha.js';

const signal = new AbortController().signal;

interface Wanted {
  readonly agentPort: number;
  readonly resultPort?: number;
  readonly patient?: Partial<Patient>;
  readonly machinery?: Partial<Machinery>;
}

/** A machine whose guest is this host: 127.0.0.1 on lo. Its power is a variable. */
function patientAt({ agentPort, resultPort = 2042, patient = {}, machinery = {} }: Wanted) {
  const machine: Machine = {
    ...{ name: 'win7', label: 'win7', platform: 'linux', arch: 'x64', tags: [], reserved: false },
    ...{ ip: '127.0.0.1', resultServer: { ip: '127.0.0.1', port: resultPort }, snapshot: 'clean' },
  };
  let power: PowerState = 'off';
  const calls: string[] = [];
  const set = (call: string, to: PowerState) => async () => {
    calls.push(call);
    power = to;
  };
  const whole: Patient = {
    machine,
    machinery: {
      kind: 'test',
      machines: [machine],
      prepare: set('prepare', 'paused'),
      start: set('start', 'running'),
      stop: set('stop', 'off'),
      state: async () => power,
      lost: () => signal,
      ...machinery,
    },
    agent: new AgentClient(dialTcp('127.0.0.1', agentPort), { callMs: 500, connectMs: 500 }),
    reach: { ip: '127.0.0.1', agentPort, interface: 'lo' },
    section: '[win7] of kvm.conf',
    options: [],
    openNetwork: async () => ({ [Symbol.asyncDispose]: async () => {} }),
    stopped: () => void calls.push('stopped'),
    resultServerIp: '192.0.2.1',
    missingAnalyzer: null,
    patience: { bootMs: 1_000, answerMs: 1_500, heardMs: 1_500 },

    now: Date.now,
    ...patient,
  };
  return { patient: whole, calls };
}

const brief = (verdicts: readonly Verdict[]) =>
  verdicts.map(({ check, status }) => `${check ?? ''} ${status}`);
const named = (verdicts: readonly Verdict[], check: string) => verdicts.find((one) => one.check === check);

/** What the guest does with the program it is given: connects and says its time, as that does. */
function guest(port: number, line: () => string | null) {
  const sockets: Socket[] = [];
  return {
    answers: {
      'POST /mkdtemp': () => ({ json: { message: 'made', dirpath: '/tmp/x' } }),
      'POST /execpy': () => {
        const text = line();
        if (text !== null) {
          const socket = connect(port, '127.0.0.1', () => socket.end(text));
          socket.on('error', () => undefined);
          sockets.push(socket);
        }
        return { json: { message: 'done', stdout: null, stderr: null, process_id: 3 } };
      },
      'POST /retrieve': () => Buffer.from('HTTP/1.0 200 OK\r\n\r\ntimed out'),
    },
    [Symbol.dispose]: () => sockets.forEach((socket) => socket.destroy()),
  };
}

test('a machine that works: every hop, in order, then it is off', async () => {
  const resultPort = await freePort();
  using inside = guest(resultPort, () => `DOCTOR ${(Date.now() / 1000).toFixed(3)}\n`);
  await using agent = await emulateAgent({ answers: inside.answers });
  const { patient, calls } = patientAt({ agentPort: agent.port, resultPort });
  const verdicts = await machineHops(patient, signal);
  expect(brief(verdicts)).toEqual([
    'interface ok',
    'restore ok',
    'start ok',
    'network card skipped',
    'agent port ok',
    'agent ok',
    'result server ok',
    'clock ok',
    'stop ok',
  ]);
  expect(named(verdicts, 'agent')?.found).toContain("of Cuckoo's family, version 0.10");
  expect(calls).toEqual(['prepare', 'start', 'stop', 'stopped']);
  const script = agent.requests.find(({ path }) => path === '/store')?.files['file']?.content.toString();
  expect(script).toContain(`create_connection(("127.0.0.1", ${resultPort})`);
});

test('an interface that is not there: nothing is started', async () => {
  const { patient, calls } = patientAt({ agentPort: 1 });
  const verdicts = await machineHops(
    { ...patient, reach: { ip: '192.0.2.9', agentPort: 8000, interface: 'vboxnet7' } },
    signal,
  );
  expect(brief(verdicts)).toEqual(['interface fail', 'the rest skipped']);
  expect(verdicts[0]).toMatchObject({ found: expect.stringMatching(/no interface vboxnet7; it has .*lo/) });
  expect(calls).toEqual([]);
});

test('a machine of which nobody knows the interface', async () => {
  const { patient } = patientAt({ agentPort: 1 });
  const reach = { ip: '127.0.0.1', agentPort: 1, interface: '' };
  const verdicts = await machineHops({ ...patient, reach }, signal);
  expect(verdicts[0]).toMatchObject({ status: 'fail', fix: expect.stringContaining('[win7] of kvm.conf') });
});

test('a network that cannot be set up', async () => {
  const refused = new SandboxError('ROUTE_UNAVAILABLE', 'the rooter does not answer');
  const { patient, calls } = patientAt({
    agentPort: 1,
    patient: { openNetwork: () => Promise.reject(refused) },
  });
  const verdicts = await machineHops(patient, signal);
  expect(brief(verdicts)).toEqual([
    'interface ok',
    'restore ok',
    'its network fail',
    'stop ok',
    'the rest skipped',
  ]);
  expect(calls).toEqual(['prepare', 'stop', 'stopped']);
});

test('a machine that does not start is stopped all the same', async () => {
  const lost = new SandboxError('MACHINE_START_FAILED', 'win7: snapshot "clean" is not there');
  const { patient, calls } = patientAt({ agentPort: 1, machinery: { start: () => Promise.reject(lost) } });
  const verdicts = await machineHops(patient, signal);
  expect(brief(verdicts)).toEqual([
    'interface ok',
    'restore ok',
    'start fail',
    'stop ok',
    'the rest skipped',
  ]);
  expect(named(verdicts, 'start')?.found).toContain('snapshot "clean" is not there');
  expect(calls).toEqual(['prepare', 'stop', 'stopped']);
});

test('a snapshot that does not load', async () => {
  const broken = new SandboxError('MACHINE_START_FAILED', 'win7: its snapshot is of another QEMU');
  const { patient } = patientAt({ agentPort: 1, machinery: { prepare: () => Promise.reject(broken) } });
  const verdicts = await machineHops(patient, signal);
  expect(brief(verdicts)).toEqual(['interface ok', 'restore fail', 'stop ok', 'the rest skipped']);
  expect(named(verdicts, 'restore')?.found).toContain('snapshot clean is not restored: win7: its snapshot');
});

test('an agent that does not run: its port is closed', async () => {
  const { patient } = patientAt({ agentPort: await freePort() });
  const verdicts = await machineHops(patient, signal);
  expect(named(verdicts, 'agent port')).toMatchObject({
    status: 'fail',
    found: expect.stringContaining('its agent does not run in the snapshot'),
    fix: expect.stringContaining('take the snapshot again while it runs'),
  });
  expect(brief(verdicts).slice(-2)).toEqual(['stop ok', 'the rest skipped']);
});

test('a guest that is silent: its firewall', async () => {
  // A queue of connections that is full: the kernel drops what comes, as a firewall does.
  const program = `import socket, sys
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(0)
held = []
for n in range(8):
    c = socket.socket(); c.settimeout(0.2); held.append(c)
    try: c.connect(s.getsockname())
    except OSError: break
print(s.getsockname()[1], flush=True); sys.stdin.read()`;
  const child = spawn('python3', ['-c', program], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [port] = (await once(child.stdout, 'data')) as [Buffer];
  const { patient } = patientAt({ agentPort: Number(port.toString()) });
  const verdicts = await machineHops(patient, signal);
  child.stdin.end();
  await once(child, 'exit');
  expect(named(verdicts, 'agent port')).toMatchObject({
    status: 'fail',
    found: expect.stringContaining('its firewall, or it hangs'),
  });
});

test.each([
  ['hang', 'takes the connection and does not answer'],
  [{ code: 501, json: { message: 'Unsupported method' } }, 'that of Cuckoo 1.x does'],
  [{ json: ['nginx'] }, 'is no agent'],
] as const)(
  'an agent that answers %j',
  async (answer, sentence) => {
    await using agent = await emulateAgent({ answers: { 'GET /': () => answer } });
    const { patient } = patientAt({ agentPort: agent.port });
    const verdicts = await machineHops(patient, signal);
    expect(named(verdicts, 'agent')).toMatchObject({
      status: 'fail',
      found: expect.stringContaining(sentence),
    });
  },
  60_000,
);

test('an agent of another version', async () => {
  const old = (_request: AgentRequest) => ({
    json: { message: 'Cuckoo Agent!', version: '0.4', features: [] },
  });
  await using agent = await emulateAgent({ answers: { 'GET /': old } });
  const { patient } = patientAt({ agentPort: agent.port });
  const verdicts = await machineHops(patient, signal);
  expect(named(verdicts, 'agent')).toMatchObject({ status: 'warn', fix: expect.stringContaining('2.0.7') });
  expect(named(verdicts, 'result server')).toMatchObject({ status: 'skipped' });
});

test('a result server that the guest does not reach: in its own words', async () => {
  const resultPort = await freePort();
  using inside = guest(resultPort, () => null);
  await using agent = await emulateAgent({ answers: inside.answers });
  const { patient } = patientAt({ agentPort: agent.port, resultPort });
  const verdicts = await machineHops(patient, signal);
  expect(named(verdicts, 'result server')).toMatchObject({
    status: 'fail',
    found: expect.stringMatching(/does not reach the result server at 127\.0\.0\.1:\d+: timed out/),
    fix: expect.stringContaining('resultserver_ip in [win7] of kvm.conf'),
  });
});

test('results that come from another address: NAT', async () => {
  const resultPort = await freePort();
  using inside = guest(resultPort, () => 'DOCTOR 1.0\n');
  await using agent = await emulateAgent({ answers: inside.answers });
  const { patient } = patientAt({ agentPort: agent.port, resultPort });
  const verdicts = await machineHops(
    { ...patient, machine: { ...patient.machine, ip: '127.0.0.2' } },
    signal,
  );
  expect(named(verdicts, 'result server')).toMatchObject({
    status: 'fail',
    found: expect.stringContaining('comes from 127.0.0.1, not from 127.0.0.2'),
  });
});

test('the port of the result server is taken: that is said, and no fault of the machine', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as { port: number };
  await using agent = await emulateAgent();
  const { patient } = patientAt({ agentPort: agent.port, resultPort: port });
  const verdicts = await machineHops(patient, signal);
  await new Promise((resolve) => taken.close(resolve));
  expect(named(verdicts, 'result server')).toMatchObject({ status: 'skipped' });
});

test('a result server with an address that this host has not', async () => {
  await using agent = await emulateAgent();
  const { patient } = patientAt({ agentPort: agent.port });
  const machine = { ...patient.machine, resultServer: { ip: '192.0.2.1', port: 2042 } };
  const verdicts = await machineHops({ ...patient, machine }, signal);
  expect(named(verdicts, 'result server')).toMatchObject({
    status: 'fail',
    found: expect.stringContaining('no address 192.0.2.1'),
  });
});

test('a result server that NAT leads here: it is listened to where [resultserver] says', async () => {
  const resultPort = await freePort();
  using inside = guest(resultPort, () => 'DOCTOR 1.0\n');
  await using agent = await emulateAgent({ answers: inside.answers });
  const { patient } = patientAt({ agentPort: agent.port });
  const machine = { ...patient.machine, resultServer: { ip: '192.0.2.1', port: resultPort } };
  const verdicts = await machineHops({ ...patient, machine, resultServerIp: '127.0.0.1' }, signal);
  expect(named(verdicts, 'result server')).toMatchObject({ status: 'ok' });
});

test('a clock that is off by years', async () => {
  const resultPort = await freePort();
  using inside = guest(resultPort, () => 'DOCTOR 1262304000.000\n');
  await using agent = await emulateAgent({ answers: inside.answers });
  const { patient } = patientAt({ agentPort: agent.port, resultPort });
  const verdicts = await machineHops(patient, signal);
  expect(named(verdicts, 'clock')).toMatchObject({
    status: 'warn',
    found: expect.stringContaining('behind ours'),
  });
});

test('a machine that does not stop, and one that says it did', async () => {
  await using agent = await emulateAgent();
  const stuck = new SandboxError('MACHINE_STOP_FAILED', 'win7 is locked');
  const one = patientAt({ agentPort: agent.port, machinery: { stop: () => Promise.reject(stuck) } });
  expect(named(await machineHops(one.patient, signal), 'stop')).toMatchObject({ status: 'fail' });
  const two = patientAt({ agentPort: agent.port, machinery: { state: async () => 'paused' } });
  expect(named(await machineHops(two.patient, signal), 'stop')?.found).toBe('it was stopped and is paused');
});

test('a machine without an agent is only started and stopped', async () => {
  const { patient } = patientAt({ agentPort: 1, patient: { options: ['noagent'] } });
  expect(brief(await machineHops(patient, signal))).toEqual([
    'interface ok',
    'restore ok',
    'start ok',
    'agent skipped',
    'stop ok',
  ]);
});

test('whoever stops waiting gets the machine stopped', async () => {
  const controller = new AbortController();
  await using agent = await emulateAgent({ answers: { 'GET /': () => 'hang' } });
  const { patient, calls } = patientAt({
    agentPort: agent.port,
    machinery: { start: async () => controller.abort(new Error('enough')) },
  });
  await expect(machineHops(patient, controller.signal)).rejects.toThrow('enough');
  expect(calls).toEqual(['prepare', 'stop', 'stopped']);
});
