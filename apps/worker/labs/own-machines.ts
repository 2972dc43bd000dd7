import type { Settings } from '#config/settings.js';
import { SandboxError } from '#domain/errors.js';
import type { Machine, OwnMachine, Platform } from '#domain/machine.js';
import { AgentClient } from '#guest/agent.js';
import { howToBring, type Analyzer } from '#guest/analyzers.js';
import { dialTcp } from '#guest/dial.js';
import type { Machinery } from '#machinery/machinery.js';
import { openBridged, type MachineryCapture } from '#network/bridged/bridged-network.js';
import { FakenetHost } from '#network/bridged/fakenet-host.js';
import type { GuestRouter } from '#network/bridged/guest-router.js';
import type { CertificateAuthority } from '#network/fakenet/ca.js';
import type { Log } from '../../log.js';
import type { MachineLab } from './machine-lab.js';

export interface OwnMachinesOptions {
  readonly settings: Pick<Settings, 'auxiliary' | 'routing'>;
  /** Signs what the fake internet shows; guests trust it where its certificate was installed. */
  readonly ca: CertificateAuthority;
  readonly analyzers: ReadonlyMap<Platform, Analyzer>;
  /** Where they were looked for. */
  readonly analyzersFolder: string;
  readonly router: GuestRouter & {
    /** Whether a rooter runs, as far as can be seen without asking it. */
    isThere(): Promise<boolean>;
    /** The machine runs no more. Must not throw. */
    stopped(machine: string): void;
  };
  readonly log: Log;
}

/** Machines that their operator made, of any machinery: each on a network of the host, known by its address. */
export function ownMachineLab(
  machinery: Machinery & Partial<AsyncDisposable> & { readonly capture?: MachineryCapture },
  machines: readonly OwnMachine[],
  options: OwnMachinesOptions,
): MachineLab {
  const { settings, analyzers, analyzersFolder, router, log } = options;
  const { routing, auxiliary } = settings;
  const byName = new Map(machines.map((machine) => [machine.name, machine]));
  const own = ({ name }: Machine): OwnMachine => {
    const machine = byName.get(name);
    if (machine !== undefined) return machine;
    throw new SandboxError('NO_MATCHING_MACHINE', `${name} is none of the ${machinery.kind} machines`);
  };
  const fakenets = new Fakenets(options.ca);
  return {
    machinery,
    own: {
      resultServers: machines.map(({ resultServer }) => resultServer),
      byAddress: () => true,
      route: () => routing.route,
      analyzer: ({ platform }) => analyzers.get(platform) ?? null,
      bring: ({ platform }) => howToBring(analyzersFolder, platform),
    },
    openNetwork: async (machine, task, signal) => {
      const { id, route, dir, options: asked } = task;
      const builtIn = route === 'inetsim' && !routing.inetsim.enabled;
      // Cuckoo's `none` needs no rooter; one that runs must be told all the same, for it cuts off who has no route.
      const isAlone = routing.none === 'host' && !(await router.isThere());
      const opened = openBridged(
        {
          ...{ machine: own(machine), taskId: id, route, dir, options: asked },
          ...{ sniffer: auxiliary.sniffer, capture: machinery.capture?.bind(machinery) ?? null },
          router: isAlone && route === 'none' ? null : router,
          fakenet: builtIn ? await fakenets.at(machine.resultServer.ip) : null,
          turnedTo: routing.inetsim.enabled ? [routing.inetsim.server] : [],
          onNote: (what) => log('info', what, { task: id, machine: machine.name, stage: 'network' }),
        },
        signal,
      );
      return opened.catch((error: unknown) => {
        // A lab that is meant to do without has not lost it: the task asks for what is not there.
        const isMissing = error instanceof SandboxError && error.code === 'ROOTER_AWAY';
        if (!isMissing || !isAlone || routing.route !== 'none') throw error;
        throw new SandboxError('ROUTE_UNAVAILABLE', error.message, { cause: error.cause });
      });
    },
    stopped: ({ name }) => router.stopped(name),
    agent: (machine) => {
      const { ip, agentPort } = own(machine);
      return new AgentClient(dialTcp(ip, agentPort));
    },
    async [Symbol.asyncDispose]() {
      await machinery[Symbol.asyncDispose]?.();
      await fakenets[Symbol.asyncDispose]();
    },
  };
}

/** The built-in fake internet, on each address where it is wanted; from the first task that wants it. */
class Fakenets implements AsyncDisposable {
  readonly #open = new Map<string, Promise<FakenetHost>>();

  constructor(private readonly ca: CertificateAuthority) {}

  at(address: string): Promise<FakenetHost> {
    const known = this.#open.get(address);
    if (known !== undefined) return known;
    const made = FakenetHost.listen(address, this.ca);
    this.#open.set(address, made);
    made.catch(() => this.#open.delete(address)); // its interface may be up for the next task
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const made of await Promise.allSettled(this.#open.values()))
      if (made.status === 'fulfilled') await made.value[Symbol.asyncDispose]();
  }
}
