import { SandboxError } from '#domain/errors.js';
import type { DropCounters, RouteRequest, RouteState } from '#network/rooter/protocol.js';
import type { Before } from './base-rules.js';
import { forgetConnections } from './connections.js';
import { openPassage } from './firewall.js';
import { nft, readCounter } from './kernel.js';
import { closeRules, leaseName, openRules, type Guest } from './lease-rules.js';
import { permitted, type Permit } from './permit.js';
import { plan, routeStates, type Rights } from './plan.js';
import type { Plan } from './routing.js';
import { Sysctls } from './sysctls.js';
import { addRule, FilledTables } from './tables.js';

type Step = () => Promise<unknown>;

interface Lease {
  readonly machine: string;
  readonly guest: Guest;
  readonly plan: Plan;
  /** Everything but the rules of our own tables, in the order it was made. */
  readonly undo: Step[];
  /** False once the guest is cut off. */
  open: boolean;
}

/** What guests may reach at this moment. Changes of the kernel happen one after the other. */
export class Leases {
  #next = 1;
  #turn: Promise<unknown> = Promise.resolve();
  /** Open, or cut off and not yet declared stopped. */
  readonly #leases = new Map<number, Lease>();
  readonly #sysctls = new Sysctls();
  readonly #tables = new FilledTables();

  constructor(
    private readonly permits: ReadonlyMap<string, Permit>,
    private readonly rights: Rights,
    private readonly warn: (what: string) => void,
  ) {}

  /** Machines that may still run, though cut off: nobody said that they stopped. */
  get unstopped(): readonly string[] {
    return [...this.#leases.values()].map(({ machine }) => machine);
  }

  routes(): Promise<readonly RouteState[]> {
    const [sample] = this.permits.values();
    return routeStates(this.rights, sample);
  }

  /** @throws ROUTE_UNAVAILABLE, BAD_REQUEST; the guest is then cut off as before */
  open(request: RouteRequest): Promise<number> {
    return this.#exclusively(async () => {
      const permit = permitted(this.permits, request);
      this.#mustBeFree(request);
      const guest = { ...permit, resultServer: request.resultServer, task: request.task };
      const way = await plan({ ...request, interface: permit.interface }, this.rights);
      const lease: Lease = { machine: request.machine, guest, plan: way, undo: [], open: true };
      try {
        await this.#forget(guest.ip);
        for (const step of this.#preparations(guest, way)) lease.undo.push(await step());
        // Last: until then every packet of the guest is dropped, whatever stands ready for it.
        await nft(openRules(guest, way));
      } catch (error) {
        await this.#undo(lease);
        throw error;
      }
      const id = this.#next++;
      this.#leases.set(id, lease);
      return id;
    });
  }

  /** The machine is stopped. */
  close(id: number): Promise<void> {
    return this.#exclusively(async () => {
      const lease = this.#leases.get(id);
      if (lease === undefined) return;
      await this.#cutOff(lease);
      this.#leases.delete(id);
    });
  }

  /** Whoever held the lease is gone: the machine may still run, and reaches nothing any more. */
  cut(id: number): Promise<void> {
    return this.#exclusively(async () => {
      const lease = this.#leases.get(id);
      if (lease !== undefined) await this.#cutOff(lease);
    });
  }

  /** Somebody deleted our tables: `remake` makes them anew, with nothing open. What was open then is lost. */
  remake(remake: (before: readonly Before[]) => Promise<void>): Promise<readonly number[]> {
    return this.#exclusively(async () => {
      await remake(this.#sysctls.before);
      const lost = [...this.#leases].filter(([, { open }]) => open);
      for (const [, lease] of lost) {
        lease.open = false;
        await this.#forget(lease.guest.ip);
        await this.#undo(lease);
      }
      return lost.map(([id]) => id);
    });
  }

  counters(id: number): Promise<DropCounters> {
    return this.#exclusively(async () => {
      const lease = this.#leases.get(id);
      if (lease?.open !== true) throw new SandboxError('BAD_REQUEST', `there is no open lease ${id}`);
      const { packets, bytes } = await readCounter(leaseName(lease.guest.task));
      return { droppedPackets: packets, droppedBytes: bytes };
    });
  }

  /** A machine that is asked for again was restored: a lease that was cut off is over. */
  #mustBeFree({ machine, task }: RouteRequest): void {
    for (const [id, lease] of this.#leases) {
      if (lease.machine !== machine && lease.guest.task !== task) continue;
      if (lease.open)
        throw new SandboxError(
          'BAD_REQUEST',
          lease.machine === machine
            ? `${machine} has a route already, for task ${lease.guest.task}`
            : `task ${task} has a route already, for ${lease.machine}`,
        );
      if (lease.machine === machine) this.#leases.delete(id);
    }
  }

  #preparations(guest: Guest, way: Plan): readonly (() => Promise<Step>)[] {
    const out = way.kind === 'line' ? way.interface : way.kind === 'redirect' ? way.via : null;
    return [
      ...(out === null
        ? []
        : [
            () => openPassage({ ip: guest.ip, behind: guest.interface, out }),
            () => this.#sysctls.forwarding(guest.interface),
            () => this.#sysctls.forwarding(out),
          ]),
      ...(way.kind === 'line' && way.table !== 'main'
        ? [
            () => this.#sysctls.looseSources(way.interface),
            () => this.#tables.hold(way),
            () => addRule(guest.ip, way.table),
          ]
        : []),
    ];
  }

  async #cutOff(lease: Lease): Promise<void> {
    if (!lease.open) return;
    await nft(closeRules(lease.guest, lease.plan));
    lease.open = false;
    await this.#forget(lease.guest.ip);
    await this.#undo(lease);
  }

  /** A step that fails keeps no other from being undone. */
  async #undo({ undo, machine }: Lease): Promise<void> {
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) {
      try {
        await step();
      } catch (error) {
        this.warn(`while closing the route of ${machine}: ${String(error)}`);
      }
    }
  }

  async #forget(ip: string): Promise<void> {
    if (!(await forgetConnections(ip)))
      this.warn(
        'the program conntrack is missing (apt-get install conntrack): old connections are only dropped',
      );
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }
}
