import type { AgentClient } from '#guest/agent.js';
import type { Lab } from '../../apps/worker/lab.js';

/** An agent whose analysis ends as told. */
export function agentThat(
  ends: (signal: AbortSignal) => Promise<{ status: string; description: string | null }>,
): AgentClient {
  const calls: Partial<AgentClient> = {
    reach: async () => {},
    analyze: async () => {},
    waitStatus: async (_seconds, _not, signal) => ends(signal),
  };
  return calls as AgentClient;
}

/** What takes evidence to disk, and never fails. */
export function evidence() {
  return {
    failed: new AbortController().signal,
    finish: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}

interface Held {
  readonly machine: string;
  readonly finish: () => void;
  /** Its traffic is not captured any more. */
  readonly fail: (error: Error) => void;
}

/** Equipment of one host whose analyses last until the test ends them: `running` has them by their tasks. */
export class HeldLab implements Lab {
  readonly running = new Map<number, Held>();
  /** Why no network can be opened; null: it can. */
  broken: Error | null = null;
  readonly #prepared = new Map<string, { readonly task: number; readonly capture: AbortController }>();

  constructor(private readonly onRun: (task: number, machine: string) => void = () => {}) {}

  readonly openResults: Lab['openResults'] = async () => ({ accept: () => {}, ...evidence() });

  readonly openNetwork: Lab['openNetwork'] = async (machine, { id }) => {
    if (this.broken !== null) throw this.broken;
    const capture = new AbortController();
    this.#prepared.set(machine.name, { task: id, capture });
    return { setClock: () => {}, ...evidence(), failed: capture.signal };
  };

  readonly agent: Lab['agent'] = ({ name }) =>
    agentThat((signal) => {
      const { task, capture } = this.#prepared.get(name) ?? { task: 0, capture: new AbortController() };
      return new Promise((resolve, reject) => {
        const finish = (): void => resolve({ status: 'complete', description: null });
        this.running.set(task, { machine: name, finish, fail: (error) => capture.abort(error) });
        signal.addEventListener('abort', () => reject(signal.reason as Error));
        this.onRun(task, name);
      }).finally(() => this.running.delete(task)) as Promise<{ status: string; description: null }>;
    });
}
