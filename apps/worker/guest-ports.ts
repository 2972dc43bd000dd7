import { SandboxError } from '#domain/errors.js';
import { ownAddresses } from '#network/bridged/interfaces.js';
import type { ResultServer } from '#resultserver/resultserver.js';
import { portHolder } from '../ports.js';

interface Place {
  readonly ip: string;
  readonly port: number;
}

export interface Otherwise {
  /** Of [resultserver] in cuckoo.conf. */
  readonly ip: string;
  readonly onProblem: (line: string, code: string) => void;
}

/**
 * Listens where guests on bridges look for the result server: a guest whose uploads nobody takes is of no use. What a guest
 * is told may be an address that NAT leads here: where it is none of this host, its port is listened at on `otherwise`.
 *
 * @throws PORT_IN_USE naming who has it; CONFIG_INVALID when this host has not that one either, with those it has
 */
export async function listenForOwnGuests(
  server: ResultServer,
  places: readonly Place[],
  otherwise: Otherwise,
): Promise<void> {
  const own = new Set([...ownAddresses().values()].flat());
  const listening = new Set<string>();
  for (const { ip, port } of places) {
    // Whole networks are local without being listed: 127.0.0.0/8.
    const isOurs = own.has(ip) || ip.startsWith('127.') || ip === '0.0.0.0';
    const host = isOurs ? ip : otherwise.ip;
    if (host !== ip) otherwise.onProblem(translated({ ip, port }, host), 'CONFIG_INVALID');
    if (listening.has(`${host}:${port}`)) continue;
    listening.add(`${host}:${port}`);
    try {
      await server.listen(host, port);
    } catch (cause) {
      throw await explained(cause, port);
    }
  }
}

function translated({ ip, port }: Place, host: string): string {
  const found = `guests are told that their results go to ${ip}:${port}, and this host has no address ${ip} (it has ${addresses()})`;
  return `${found}: the result server listens at ${host}:${port} instead. If ${ip} is forwarded here, that must keep the guest's own address as the source, by which it is known; else correct resultserver_ip, or bring its interface up`;
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
  const up = `it has ${addresses()}. Is the machines' interface up (virsh net-start, VBoxManage hostonlyif)?`;
  return new SandboxError(code, `${message}; ${up}`, { cause });
}

/** `192.168.122.1 (virbr0)` … */
function addresses(): string {
  return [...ownAddresses()]
    .flatMap(([name, all]) => all.map((address) => `${address} (${name})`))
    .join(', ');
}
