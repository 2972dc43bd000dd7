import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { ServerHostKeyAlgorithm } from 'ssh2';
import { keyType, linesFor, parseKnownHosts, verdict, type KnownHost } from './known-hosts.js';
import { SshError } from './ssh-error.js';
import { targetName, type SshTarget } from './target.js';

/** Host key algorithms asked for, best first; `ssh-rsa` signs with SHA-1 and is left out, its keys are not. */
const ALGORITHMS = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
] as const satisfies readonly ServerHostKeyAlgorithm[];

export interface HostKeyCheck {
  /** Those of known types first: a server has several keys and shows the first that we ask for. */
  readonly algorithms: ServerHostKeyAlgorithm[];
  /** Null when `key` is the server's, else why not. */
  judge(key: Buffer): SshError | null;
}

/** @throws SshError `setup` when a known_hosts file that was named cannot be read */
export async function hostKeyCheck(target: SshTarget): Promise<HostKeyCheck> {
  const files =
    target.knownHosts === undefined
      ? [join(userInfo().homedir, '.ssh/known_hosts'), '/etc/ssh/ssh_known_hosts']
      : [target.knownHosts];
  const known = await Promise.all(files.map((file) => read(file, target)));
  const lines = linesFor(known.flat(), target);
  const isKnown = (algorithm: string) =>
    lines.some(({ type }) => algorithm === (type === 'ssh-rsa' ? 'rsa-sha2-512' : type));
  return {
    algorithms: [...ALGORITHMS.filter(isKnown), ...ALGORITHMS.filter((name) => !isKnown(name))],
    judge: (key) => complaint(target, files[0] ?? '', lines, key),
  };
}

async function read(file: string, target: SshTarget): Promise<readonly KnownHost[]> {
  try {
    return parseKnownHosts(await readFile(file, 'utf8'));
  } catch (cause) {
    if (target.knownHosts === undefined) return []; // the usual places may be missing
    throw new SshError('setup', `${targetName(target)}: the known_hosts file ${file} cannot be read`, {
      cause,
    });
  }
}

function complaint(
  target: SshTarget,
  file: string,
  lines: readonly KnownHost[],
  key: Buffer,
): SshError | null {
  const fingerprint = `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
  const shown = `${keyType(key)} ${fingerprint}`;
  const scan = `ssh-keyscan -p ${target.port} ${target.host}`;
  switch (verdict(lines, key)) {
    case 'known':
      return null;
    case 'unknown':
      return new SshError(
        'host-key',
        `${targetName(target)}: the server's key (${shown}) is not in ${file}. ` +
          `Compare it on the server (ssh-keygen -lf /etc/ssh/ssh_host_*.pub), then add it: ${scan} >> ${file}`,
      );
    case 'changed':
      return new SshError(
        'host-key',
        `${targetName(target)}: the server's key (${shown}) is not the one in ${file}: ` +
          'it was installed anew, or somebody sits in between. Compare it on the server before replacing the line',
      );
    case 'revoked':
      return new SshError(
        'host-key',
        `${targetName(target)}: the server's key (${shown}) is marked @revoked in ${file}`,
      );
  }
}
