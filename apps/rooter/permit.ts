import type { MachineryName } from '#config/machineries.js';
import { SandboxError } from '#domain/errors.js';
import type { OwnMachine } from '#domain/machine.js';
import type { RouteRequest } from '#network/rooter/protocol.js';
import type { Routing } from './routing.js';

/** A machine that routes may be opened for, as its .conf file has it. */
export interface Permit {
  readonly ip: string;
  readonly interface: string;
  /** Its hardware address, lower case; null where the configuration does not say. */
  readonly mac: string | null;
  readonly resultServer: { readonly ip: string; readonly port: number };
  readonly agentPort: number;
}

type ConfiguredMachine = OwnMachine & { readonly mac?: string };

/** The part of the settings that says what a client may ask for. */
export interface Configured {
  readonly kvm: { readonly machines: readonly ConfiguredMachine[] };
  readonly virtualbox: { readonly machines: readonly ConfiguredMachine[] };
  readonly qemu: { readonly machines: readonly ConfiguredMachine[] };
  readonly routing: Routing;
}

/** Linux's names of interfaces, without those that nft would read as patterns. */
const INTERFACE = /^[A-Za-z0-9][\w.-]{0,14}$/;

export function isInterface(name: string): boolean {
  return INTERFACE.test(name);
}

const IPV4 = /^\d{1,3}(\.\d{1,3}){3}$/;
const MAC = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/;

/**
 * Those of the machinery that is used: other .conf files are often as they were shipped, with machines of the same names.
 * Of a machine without an interface nothing can be told from other traffic: it has no permit.
 *
 * @throws CONFIG_INVALID for two machines of one name or address, which `--machinery` can bring together
 */
export function permits(
  configured: Configured,
  machinery: readonly MachineryName[],
): ReadonlyMap<string, Permit> {
  const permits = new Map<string, Permit>();
  const first = new Map<string, string>();
  for (const kind of machinery) {
    for (const machine of kind === 'fake' ? [] : configured[kind].machines) {
      const { name, ip, interface: behind, mac = '', resultServer, agentPort } = machine;
      if (!isInterface(behind) || !IPV4.test(ip)) continue;
      for (const what of [`the name ${name}`, `the ip ${ip}`]) {
        const before = first.get(what);
        if (before !== undefined)
          throw new SandboxError(
            'CONFIG_INVALID',
            `${before} and ${name} of ${kind}.conf both have ${what}: the rooter cannot tell them apart`,
          );
        first.set(what, `${name} of ${kind}.conf`);
      }
      const card = MAC.test(mac.toLowerCase()) ? mac.toLowerCase() : null;
      permits.set(name, { ip, interface: behind, mac: card, resultServer, agentPort });
    }
  }
  return permits;
}

/** @throws BAD_REQUEST naming the first thing that is not as configured */
export function permitted(permits: ReadonlyMap<string, Permit>, request: RouteRequest): Permit {
  const permit = permits.get(request.machine);
  if (permit === undefined)
    throw new SandboxError(
      'BAD_REQUEST',
      `the rooter's configuration has no machine ${JSON.stringify(request.machine)} with an ip and an interface; it has ${[...permits.keys()].join(', ') || 'none'}. It reads those of the machinery that [cuckoo] machinery of cuckoo.conf names, or its own --machinery`,
    );
  const { resultServer } = permit;
  const differing = [
    ['ip', request.ip, permit.ip],
    ['interface', request.interface, permit.interface],
    ['agentPort', request.agentPort, permit.agentPort],
    ['resultServer.ip', request.resultServer.ip, resultServer.ip],
    ['resultServer.port', request.resultServer.port, resultServer.port],
  ].find(([, asked, configured]) => asked !== configured);
  if (differing === undefined) return permit;
  const [what, asked, configured] = differing;
  throw new SandboxError(
    'BAD_REQUEST',
    `${what} of ${request.machine} is ${configured} in the rooter's configuration, not ${asked}: do both read the same files?`,
  );
}
