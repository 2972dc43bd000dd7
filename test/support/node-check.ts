import { openNode } from '#nodes/open.js';
import type { Dialect } from '#nodes/dialect.js';
import { checkNode } from '../../apps/distributed/check/check-node.js';
import type { CheckOptions } from '../../apps/distributed/check/patient.js';
import type { Finding } from '../../apps/finding.js';
import type { ScriptedOptions } from './scripted-node/options.js';
import { startScriptedNode, type ScriptedNode } from './scripted-node/start.js';

export const LIMITS = { connect: 2_000, answer: 2_000, reportSize: 1_000_000, linkLocal: false };

export interface Asked extends Partial<CheckOptions> {
  readonly url: string;
  readonly dialect?: Dialect;
  readonly token?: string | null;
  readonly signal?: AbortSignal;
  /** Is told of each finding when it comes. */
  readonly onFinding?: (finding: Finding) => void;
}

/** Checks the node at `url` as `malkoha node check` does. */
export async function check({
  url,
  dialect = 'malkoha',
  token = null,
  signal,
  onFinding,
  ...options
}: Asked) {
  const node = { name: 'n1', url, token, dialect };
  const client = openNode(node, dialect, LIMITS);
  const findings: Finding[] = [];
  try {
    const healthy = await checkNode(
      node,
      client,
      {
        analysis: true,
        timeoutS: 20,
        formats: ['json'],
        pcap: false,
        limits: LIMITS,
        machines: null,
        ...options,
      },
      (finding) => {
        findings.push(finding);
        onFinding?.(finding);
      },
      signal ?? new AbortController().signal,
    );
    return { healthy, findings, of: (name: string) => findings.find(({ check: one }) => one === name) };
  } finally {
    client.close();
  }
}

export async function scripted(options: Partial<ScriptedOptions> = {}): Promise<ScriptedNode> {
  return await startScriptedNode({ dialect: 'malkoha', ...options });
}

export function said(findings: readonly Finding[]): string[] {
  return findings.map(({ check: name, status }) => `${status} ${name}`);
}
