import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Machine } from '#domain/machine.js';
import { AgentClient } from '#guest/agent.js';
import { runAnalysis, type GuestJob } from '#guest/run.js';
import type { RunEnd } from '#guest/wait-for-end.js';
import { UNEVENTFUL, type GuestPlan } from '#machinery/adapters/fake/plan.js';
import { scriptedMachinery, type ScriptedMachinery } from '#machinery/adapters/fake/scripted.js';
import type { Limits } from '#resultserver/limits.js';
import { ResultServer, type Results } from '#resultserver/resultserver.js';
import { aTask } from './task.js';

export const FAKE_MACHINE: Machine = {
  name: 'fake1',
  label: 'fake1',
  platform: 'linux',
  arch: 'x64',
  tags: ['fake'],
  reserved: false,
  ip: '10.0.2.15',
  resultServer: { ip: '10.0.2.2', port: 2042 },
  snapshot: null,
};

/** One scripted guest with its agent's client and a real result server; what it sends is in `dir`. */
export interface FakeLab extends AsyncDisposable {
  readonly machinery: ScriptedMachinery;
  readonly machine: Machine;
  readonly agent: AgentClient;
  readonly results: Results;
  readonly dir: string;
  readonly anomalies: string[];
  /** Where the guest's connections came from. */
  readonly sources: string[];
  /** Starts the machine and runs the analysis; the signal of `lost` ends it too. */
  run(job?: Partial<GuestJob>): Promise<RunEnd>;
  read(path: string): Promise<string>;
}

export async function fakeLab(
  plan: Partial<GuestPlan> = {},
  { limits, ...changes }: Partial<Machine> & { readonly limits?: Partial<Limits> } = {},
): Promise<FakeLab> {
  const machine = { ...FAKE_MACHINE, ...changes };
  const machinery = scriptedMachinery([machine]);
  const dir = await mkdtemp(join(tmpdir(), 'fake-lab-'));
  const server = new ResultServer(limits === undefined ? {} : { limits });
  const anomalies: string[] = [];
  const sources: string[] = [];
  const onAnomaly = (what: string) => void anomalies.push(what);
  const results = await server.open({ id: 12, dir, dialect: 'malkoha', guestIp: null, onAnomaly });
  machinery.plug(machine, { ...UNEVENTFUL, ...plan }, (stream, from) => {
    sources.push(from);
    if (from === machine.ip) results.accept(stream);
    else stream.destroy();
  });
  const agent = new AgentClient((signal) => machinery.dial(machine, signal), { connectMs: 50 });
  const patience = () => AbortSignal.timeout(20_000);
  return {
    ...{ machinery, machine, agent, results, dir, anomalies, sources },
    async run(job = {}) {
      await machinery.start(machine, patience());
      const whole: GuestJob = {
        agent,
        task: aTask({ category: 'url', target: 'http://example.test/', sample: null }),
        sample: null,
        resultServer: machine.resultServer,
        known: true,
        timeoutSeconds: 10,
        criticalSeconds: 5,
        onPhase: () => undefined,
        ...job,
      };
      return runAnalysis(whole, AbortSignal.any([machinery.lost(machine), patience()]));
    },
    read: (path) => readFile(join(dir, path), 'utf8'),
    async [Symbol.asyncDispose]() {
      await machinery.stop(machine, patience()).catch(() => machinery.stop(machine, patience()));
      await server[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
