import { networkInterfaces } from 'node:os';
import { SandboxError } from '#domain/errors.js';
import type { ResultServer } from '#resultserver/resultserver.js';
import { portHolder } from '../ports.js';

interface Place {
  readonly ip: string;
  readonly port: number;
}

/**
 * Listens where guests on bridges look for the result server: a guest whose uploads nobody takes is of no use.
 *
 * @throws PORT_IN_USE naming who has it; CONFIG_INVALID for an address this host has not, with those it has
 */
export async function listenForOwnGuests(server: ResultServer, places: readonly Place[]): Promise<void> {
  for (const { ip, port } of places) {
    try {
      await server.listen(ip, port);
    } catch (cause) {
      throw await explained(cause, port);
    }
  }
}

/** The default guest does not need the port: that it cannot be had is told and costs nothing. */
export async function listenIfPossible(
  server: ResultServer,
  { ip, port }: Place,
  onProblem: (line: string, code: string) => void,
): Promise<void> {
  try {
    await server.listen(ip, port);
  } catch (cause) {
    const error = await explained(cause, port);
    if (!(error instanceof SandboxError)) throw error;
    onProblem(`${error.message}; the default guest does not need it`, error.code);
  }
}

async function explained(cause: unknown, port: number): Promise<unknown> {
  if (!(cause instanceof SandboxError)) return cause;
  const { code, message } = cause;
  if (code === 'PORT_IN_USE') {
    const holder = await portHolder(port);
    return holder === null ? cause : new SandboxError(code, `${message}, ${holder} has it`, { cause });
  }
  const up = `it has ${addresses().join(', ')}. Is the machines' interface up (virsh net-start, VBoxManage hostonlyif)?`;
  return new SandboxError(code, `${message}; ${up}`, { cause });
}

/** `192.168.122.1 (virbr0)` … */
function addresses(): readonly string[] {
  return Object.entries(networkInterfaces()).flatMap(([name, all]) =>
    (all ?? []).filter(({ family }) => family === 'IPv4').map(({ address }) => `${address} (${name})`),
  );
}
