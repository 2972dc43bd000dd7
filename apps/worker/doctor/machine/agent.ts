import { deadline } from '#domain/deadline.js';
import { reason, SandboxError } from '#domain/errors.js';
import type { AgentInfo } from '#guest/answers.js';
import { fail, ok, warn, type Verdict } from '../../../verdict.js';
import { isOlder } from '../tools.js';
import type { Patient } from './patient.js';

/** That of Cuckoo 2.0.7. */
const NEWEST_OF_CUCKOO = '0.10';
const INSTALL =
  "install agent.py of Cuckoo 2.0.7 (or Malkoha's own, analyzer-guest/agent/agent.py) in the guest and take the snapshot again";

/** What answers on the agent's port, and can it run an analysis? Null when it cannot be used. */
export async function askAgent(
  { agent, patience: { answerMs }, missingAnalyzer }: Patient,
  tell: (check: string, verdict: Verdict) => void,
  signal: AbortSignal,
): Promise<AgentInfo | null> {
  using within = deadline(answerMs, signal);
  try {
    const info = await agent.waitReady(within.signal);
    tell('agent', dialect(info));
    if (missingAnalyzer !== null && !info.features.includes('analyze'))
      tell(
        'analyzer',
        fail(
          'its agent has none, and none is there to be brought along: no sample can be run',
          missingAnalyzer,
        ),
      );
    return info;
  } catch (error) {
    signal.throwIfAborted();
    tell('agent', refused(error));
    return null;
  }
}

export function dialect({ version, features }: AgentInfo): Verdict {
  const what = `version ${version}${features.length === 0 ? '' : ` (${features.join(', ')})`}`;
  if (features.includes('analyze')) return ok(`Malkoha's own agent, ${what}, its analyzer loaded`);
  if (!/^\d+\.\d+/.test(version))
    return warn(`an agent that does not tell its version as Cuckoo's do: "${version}"`, INSTALL);
  if (isOlder(version, NEWEST_OF_CUCKOO) && !features.includes('execpy'))
    return warn(
      `an old agent, ${what}: it cannot start Python itself, so python must be on the guest's path`,
      INSTALL,
    );
  return ok(`an agent of Cuckoo's family, ${what}`);
}

function refused(error: unknown): Verdict {
  const code = error instanceof SandboxError ? error.code : null;
  if (code === 'AGENT_REFUSED')
    return fail(`the agent refuses what Cuckoo 2 asks (that of Cuckoo 1.x does): ${reason(error)}`, INSTALL);
  if (code === 'PROTOCOL_VIOLATION') {
    return fail(
      `what listens on the agent's port is no agent: ${reason(error)}`,
      `stop it in the guest, or correct agent_port; ${INSTALL}`,
    );
  }
  return fail(
    `the agent takes the connection and does not answer: ${reason(error)}`,
    'an agent of Cuckoo answers one client at a time and hangs with it: restart it in the guest, connect to it from nowhere, and take the snapshot again',
  );
}
