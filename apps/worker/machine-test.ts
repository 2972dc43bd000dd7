import { reason } from '#domain/errors.js';
import type { MachineTest } from '#domain/machine-test.js';
import type { Machine } from '#domain/machine.js';
import type { AgentClient } from '#guest/agent.js';
import { linkedSignal } from '#machinery/linked-signal.js';
import type { MachinePool } from '#machinery/pool.js';
import type { MachineNotes } from '#queue/machine-notes.js';
import type { Log } from '../log.js';

export interface MachineTesting {
  readonly lab: {
    readonly pool: Pick<MachinePool, 'test'>;
    openTrial(machine: Machine, signal: AbortSignal): Promise<AsyncDisposable>;
    agent(machine: Machine): AgentClient;
  };
  readonly notes: MachineNotes;
  readonly shutdown: AbortSignal;
  readonly log: Log;
}

/** Milliseconds a test waits for the task that has the machine: as long as somebody may still ask for the result. */
const PATIENCE_MS = 3_600_000;

/** Tests a machine as an operator asked, and leaves the result where the API finds it. Never rejects. */
export async function testMachine(
  { machine, answer }: { readonly machine: string; readonly answer: string },
  by: MachineTesting,
): Promise<void> {
  const { log } = by;
  const { failed, phases } = await result(machine, by);
  if (failed === null) log('info', 'tested', { machine, phases });
  else log('warn', `test failed: ${failed.reason}`, { machine, stage: failed.phase ?? 'wait', phases });
  await by.notes
    .answer(answer, { failed, phases })
    .catch((error: unknown) =>
      log('warn', `the result of the test is not told: ${reason(error)}`, { machine }),
    );
}

async function result(machine: string, { lab, shutdown }: MachineTesting): Promise<MachineTest> {
  using link = linkedSignal([shutdown], PATIENCE_MS);
  try {
    const trying = {
      network: (one: Machine, by: AbortSignal) => lab.openTrial(one, by),
      answers: (one: Machine, by: AbortSignal) => lab.agent(one).waitReady(by),
    };
    return await lab.pool.test(machine, trying, link.signal);
  } catch (error) {
    return { phases: {}, failed: { phase: null, reason: reason(error) } };
  }
}
