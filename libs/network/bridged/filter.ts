import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { deadline } from '#domain/deadline.js';
import { SandboxError } from '#domain/errors.js';
import { PROGRAM_ENV } from './tcpdump-program.js';

export interface FilterParts {
  /** IPv4 of the guest. */
  readonly ip: string;
  readonly resultServer: { readonly ip: string; readonly port: number };
  readonly agentPort: number;
  /** Addresses of this host that talk to the agent. */
  readonly hosts: readonly string[];
  /** The task's option `sniffer.debug=1`: everything of the guest, the agent's and the results' traffic too. */
  readonly debug: boolean;
  /** `[sniffer] bpf` of auxiliary.conf; empty = none. */
  readonly bpf: string;
}

/**
 * What of the interface's traffic belongs into the guest's capture, as one pcap filter expression. Only what we say to the
 * agent is left out, not what anybody does: a sample may connect elsewhere from the agent's port.
 *
 * @see spec host.md §4.1, which leaves out the agent's port altogether
 */
export function captureFilter({ ip, resultServer, agentPort, hosts, debug, bpf }: FilterParts): string {
  const own = `host ${ip}`;
  if (debug) return own;
  const without = (host: string, port: number, from = '', to = ''): string =>
    `not (tcp and dst host ${host} and dst port ${port}${from}) and not (tcp and src host ${host} and src port ${port}${to})`;
  const us = (end: 'src' | 'dst'): string =>
    ` and (${hosts.map((host) => `${end} host ${host}`).join(' or ')})`;
  const agent = without(ip, agentPort, us('src'), us('dst'));
  const ours = `${own} and ${agent} and ${without(resultServer.ip, resultServer.port)}`;
  return bpf.trim() === '' ? ours : `${ours} and (${bpf})`;
}

/** Compiling takes milliseconds; an expression can be made that takes minutes. */
const COMPILE_TIMEOUT_MS = 10_000;

const run = promisify(execFile);

/**
 * Compiles the operator's expression without capturing anything.
 *
 * @param bpf alone, so that no parenthesis of its own can lead out of ours
 * @throws CONFIG_INVALID naming auxiliary.conf and what tcpdump says; CAPTURE_FAILED when tcpdump compiles nothing at all
 */
export async function checkBpf(program: string, bpf: string, signal: AbortSignal): Promise<void> {
  if (bpf.trim() === '') return;
  const wrong = await compile(program, bpf, signal);
  if (wrong === null) return;
  const broken = await compile(program, 'ip', signal);
  if (broken !== null) throw new SandboxError('CAPTURE_FAILED', `${program} does not work: ${broken}`);
  throw new SandboxError(
    'CONFIG_INVALID',
    `auxiliary.conf: [sniffer] bpf = ${bpf}: tcpdump does not take it (${wrong}); man pcap-filter has the syntax`,
  );
}

/** Null when it compiles, else what tcpdump says. */
async function compile(program: string, expression: string, signal: AbortSignal): Promise<string | null> {
  using limit = deadline(COMPILE_TIMEOUT_MS, signal);
  try {
    await run(program, ['-d', '-y', 'EN10MB', '--', expression], {
      ...{ env: PROGRAM_ENV, signal: limit.signal, killSignal: 'SIGKILL' },
    });
    return null;
  } catch (error) {
    signal.throwIfAborted();
    if (limit.signal.aborted) return `it is not compiled within ${COMPILE_TIMEOUT_MS / 1000} s`;
    const { stderr } = error as { stderr?: unknown };
    const said = typeof stderr === 'string' ? stderr : '';
    return lastLine(said) ?? (error as Error).message;
  }
}

function lastLine(text: string): string | undefined {
  return text
    .split('\n')
    .map((line) => line.replace(/^tcpdump: /, '').trim())
    .findLast((line) => line !== '');
}
