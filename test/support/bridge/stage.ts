import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { SandboxError } from '#domain/errors.js';
import type { OwnMachine } from '#domain/machine.js';
import { readCapture } from '#processing/traffic/capture.js';
import { BRIDGE, GUEST_IP, HOST_IP, type NamespaceGuest } from './guest.js';

/** What a scene runs in: the root of a private network namespace. */
export interface Stage {
  readonly guest: NamespaceGuest;
  /** A folder of the scene's own. */
  readonly dir: string;
  /** A file system of 128 KiB. */
  readonly small: string;
}

/** Gives what the test looks at, as JSON can carry it. */
export type Scene = (stage: Stage) => Promise<unknown>;

export const MACHINE: OwnMachine = {
  ...{ name: 'lin1', label: 'lin1', platform: 'linux', arch: 'x64', tags: [], reserved: false },
  ...{ ip: GUEST_IP, resultServer: { ip: HOST_IP, port: 2042 }, snapshot: 'clean' },
  ...{ interface: BRIDGE, options: [], agentPort: 8000 },
};

export const patience = (): AbortSignal => AbortSignal.timeout(20_000);

export function told(error: unknown): unknown {
  if (!(error instanceof SandboxError)) throw error;
  return { code: error.code, message: error.message };
}

export const toldBy = (work: Promise<unknown>): Promise<unknown> => work.then(() => 'no error', told);

export async function aborted(signal: AbortSignal): Promise<unknown> {
  if (!signal.aborted) await once(signal, 'abort', { signal: patience() });
  return told(signal.reason);
}

export const captured = (path: string) => readCapture(createReadStream(path), patience());
