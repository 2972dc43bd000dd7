import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import ssh2, { type AuthenticationType, type AuthHandlerMiddleware, type AnyAuthMethod } from 'ssh2';
import { SshError } from './ssh-error.js';
import { targetName, type SshTarget } from './target.js';

const USUAL_KEYS = ['id_ed25519', 'id_ecdsa', 'id_rsa'];

/**
 * What to try, in order: the key files, then the agent.
 *
 * @throws SshError `setup` when there is nothing to try, or a named key cannot be used
 */
export async function logins(target: SshTarget): Promise<readonly AnyAuthMethod[]> {
  const username = target.user;
  const keys =
    target.identityFile === undefined ? await usualKeys() : [await namedKey(target, target.identityFile)];
  const agent = target.agent === undefined ? [] : [{ type: 'agent' as const, username, agent: target.agent }];
  if (keys.length + agent.length === 0) {
    throw new SshError(
      'setup',
      `${targetName(target)}: no key to log in with: name an identity file or an agent, or make ~/.ssh/id_ed25519 (ssh-keygen)`,
    );
  }
  return [...keys.map((key) => ({ type: 'publickey' as const, username, key })), ...agent];
}

/** Hands out `methods` one after the other, then gives up. */
export function oneAfterTheOther(methods: readonly AnyAuthMethod[]): AuthHandlerMiddleware {
  let next = 0;
  return (_left: AuthenticationType[] | null, _partly, use) => use(methods[next++] ?? (false as never));
}

async function namedKey(target: SshTarget, file: string): Promise<Buffer> {
  const key = await readFile(file).catch((cause: unknown) => {
    throw new SshError('setup', `${targetName(target)}: the key file ${file} cannot be read`, { cause });
  });
  const parsed = ssh2.utils.parseKey(key);
  if (!(parsed instanceof Error)) return key;
  const why = /encrypted/i.test(parsed.message)
    ? 'has a passphrase: load it into an agent (ssh-add), or use a key without'
    : `is no private key: ${parsed.message}`;
  throw new SshError('setup', `${targetName(target)}: the key file ${file} ${why}`);
}

/** Those of ~/.ssh that are there and need no passphrase. */
async function usualKeys(): Promise<readonly Buffer[]> {
  const folder = join(userInfo().homedir, '.ssh');
  const read = await Promise.all(USUAL_KEYS.map((name) => readFile(join(folder, name)).catch(() => null)));
  return read.filter((key) => key !== null && !(ssh2.utils.parseKey(key) instanceof Error)) as Buffer[];
}
