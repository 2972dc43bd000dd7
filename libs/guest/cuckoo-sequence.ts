import { SandboxError } from '#domain/errors.js';
import type { Platform } from '#domain/machine.js';
import { parseOptions, type Task } from '#domain/task.js';
import type { AgentClient } from './agent.js';
import type { AgentInfo } from './answers.js';
import { bytes, file } from './body.js';
import { guestFolder, variable } from './guest-path.js';
import { zipFolder } from './zip-folder.js';

/** An analyzer that the host brings along for each task, as Cuckoo does. */
export interface AnalyzerBundle {
  /** Folder on the host with analyzer.py in it. */
  readonly folder: string;
  readonly platform: Platform;
  /**
   * Tell the agent to answer nobody else. Default: on Windows only, as Cuckoo 2's analyzers for other systems cannot
   * report their end to a pinned agent (spec protocols.md §2.4).
   */
  readonly pin?: boolean;
}

/** The only Python a guest without `execpy` is known to have. */
const PYTHON = { windows: 'C:\\Python27\\pythonw.exe', other: 'python' } as const;

/**
 * Prepares a guest and starts the analyzer in it, call by call in Cuckoo 2.0.7's order.
 *
 * @param sample null for a URL; `name` is safe for a path in the guest
 * @see spec protocols.md §2.6, steps 9 to 15
 */
export async function startCuckooAnalyzer(
  agent: AgentClient,
  info: AgentInfo,
  job: {
    readonly task: Task;
    readonly bundle: AnalyzerBundle;
    readonly config: string;
    readonly sample: { readonly path: string; readonly name: string } | null;
  },
  signal: AbortSignal,
): Promise<void> {
  const { bundle, sample } = job;
  const windows = bundle.platform === 'windows';
  if (info.features.includes('pinning') && (bundle.pin ?? windows)) await agent.pin(signal);

  const environ = await agent.environ(signal);
  const root = windows ? `${guestFolder(`${variable(environ, 'SYSTEMDRIVE') ?? 'C:'}/`)}/` : '/';
  const temp = windows ? guestFolder(variable(environ, 'TEMP') ?? `${root}Windows/Temp`) : '/tmp';
  const folder = await analyzerFolder(agent, job.task, root, signal);

  await agent.extract(folder, await zipFolder(bundle.folder), signal);
  await agent.store(`${folder}/analysis.conf`, bytes(job.config), 'file', signal);
  if (sample !== null)
    await agent.store(`${temp}/${sample.name}`, await file(sample.path), 'sample.bin', signal);

  const script = `${folder}/analyzer.py`;
  if (info.features.includes('execpy')) {
    await agent.execpy(script, folder, signal);
    return;
  }
  const command = windows ? `${PYTHON.windows} ${folder}\\analyzer.py` : `${PYTHON.other} ${script}`;
  await agent.execute(command, folder, signal);
}

/** The folder that the task's option `analpath` names below `root`, else a new one of the agent's choice. */
async function analyzerFolder(
  agent: AgentClient,
  task: Task,
  root: string,
  signal: AbortSignal,
): Promise<string> {
  const wanted = parseOptions(task.options).get('analpath');
  if (wanted === undefined) return guestFolder(await agent.mkdtemp(root, signal));
  if (!/^\w[\w.-]{0,63}$/.test(wanted)) {
    throw new SandboxError('BAD_REQUEST', 'option analpath: a plain folder name is accepted');
  }
  await agent.mkdir(root + wanted, signal);
  return root + wanted;
}
