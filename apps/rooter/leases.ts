import { reason, SandboxError } from '#domain/errors.js';
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

/** Milliseconds until a guest that could not be cut off is cut off again. */
const AGAIN_MS = 1_000;

/**
 * - `open`: the guest reaches what its route allows
 * - `closing`: it must be cut off, and its rules could not be taken away yet
 * - `cut`: it reaches nothing: what is left are our base tables, which drop all of it
 */
type State = 'open' | 'closing' | 'cut';

interface Lease {
  readonly machine: string;
  readonly guest: Guest;
  readonly plan: Plan;
  /** Everything but the rules of our own tables, in the order it was made. */
  readonly undo: Step[];
  /** Who opened it, while they are there: nobody else may replace it. */
  holder: object | null;
  state: State;
  /** Somebody who must know said that the machine has stopped. */
  stopped: boolean;
}

/** What guests may reach at this moment. Changes of the kernel happen one after the other. */
export class Leases implements AsyncDisposable {
  #next = 1;
  #turn: Promise<unknown> = Promise.resolve();
  /** Open, or cut off and not yet declared stopped. */
  readonly #leases = new Map<number, Lease>();
  #again: NodeJS.Timeout | null = null;
  readonly #sysctls = new Sysctls();
  readonly #tables = new FilledTables();

  constructor(
    private readonly permits: ReadonlyMap<string, Permit>,
    private readonly rights: Rights,
    private readonly warn: (what: string) => void,
  ) {}

  /** Machines that may still run, though cut off: nobody said that they stopped. */
  get unstopped(): readonly string[] {
    return [...this.#leases.values()].filter(({ stopped }) => !stopped).map(({ machine }) => machine);
  }

  /** False once it was closed, or replaced by another of its machine. */
  has(id: number): boolean {
    return this.#leases.has(id);
  }

  routes(): Promise<readonly RouteState[]> {
    const [sample] = this.permits.values();
    return routeStates(this.rights, sample);
  }

  /**
   * A machine that its holder asks for again was restored: a lease of it that was cut off is over.
   *
   * @throws ROUTE_UNAVAILABLE, BAD_REQUEST; the guest is then cut off as before
   */
  open(request: RouteRequest, holder: object): Promise<number> {
    return this.#exclusively(async () => {
      const permit = permitted(this.permits, request);
      await this.#free(request, holder);
      const guest = { ...permit, resultServer: request.resultServer, task: request.task };
      const way = await plan({ ...request, interface: permit.interface }, this.rights);
      const { machine } = request;
      const lease: Lease = { machine, guest, plan: way, undo: [], holder, state: 'open', stopped: false };
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

  /** The machine has stopped. When this fails, it is done as soon as it can be. */
  close(id: number): Promise<void> {
    return this.#exclusively(async () => {
      const lease = this.#leases.get(id);
      if (lease === undefined) return;
      lease.stopped = true;
      await this.#cutOff(lease);
      this.#leases.delete(id);
    });
  }

  /** The machine may still run, and reaches nothing any more. When this fails, it is done as soon as it can be. */
  cut(id: number): Promise<void> {
    return this.#exclusively(async () => {
      const lease = this.#leases.get(id);
      if (lease !== undefined) await this.#cutOff(lease);
    });
  }

  /** Cuts the guest off, and whoever asks for its machine next may have it: its holder is gone. */
  abandon(id: number): Promise<void> {
    const lease = this.#leases.get(id);
    if (lease !== undefined) lease.holder = null;
    return this.cut(id);
  }

  /** Somebody deleted our tables: `remake` makes them anew, with nothing open. What was open then is lost. */
  remake(remake: (before: readonly Before[]) => Promise<void>): Promise<readonly number[]> {
    return this.#exclusively(async () => {
      await remake(this.#sysctls.before);
      const lost = [...this.#leases].filter(([, { state }]) => state !== 'cut');
      for (const [, lease] of lost) lease.state = 'cut';
      for (const [id, lease] of lost) {
        await this.#takeBack(lease);
        if (lease.stopped) this.#leases.delete(id);
      }
      return lost.map(([id]) => id);
    });
  }

  counters(id: number): Promise<DropCounters> {
    return this.#exclusively(async () => {
      const lease = this.#leases.get(id);
      if (lease?.state !== 'open') throw new SandboxError('BAD_REQUEST', `there is no open lease ${id}`);
      const { packets, bytes } = await readCounter(leaseName(lease.guest.task));
      return { droppedPackets: packets, droppedBytes: bytes };
    });
  }

  /** Tries once more to stop what does not end by itself. Leases are not used after. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#exclusively(() => this.#cutOffLate());
    if (this.#again !== null) clearTimeout(this.#again);
  }

  async #free({ machine, task }: RouteRequest, holder: object): Promise<void> {
    for (const [id, lease] of this.#leases) {
      if (lease.machine !== machine && lease.guest.task !== task) continue;
      // Its holder may take its place: it gave up the one before while that was being opened.
      const isTaken =
        lease.machine === machine ? lease.holder !== null && lease.holder !== holder : lease.state === 'open';
      if (isTaken)
        throw new SandboxError(
          'ROUTE_FAILED',
          lease.machine === machine
            ? `${machine} has a route already, for task ${lease.guest.task}`
            : `task ${task} has a route already, for ${lease.machine}`,
        );
      await this.#cutOff(lease);
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
    if (lease.state === 'cut') return;
    lease.state = 'closing';
    try {
      await nft(closeRules(lease.guest, lease.plan));
    } catch (error) {
      this.#again ??= setTimeout(() => {
        this.#again = null;
        void this.#exclusively(() => this.#cutOffLate());
      }, AGAIN_MS).unref();
      throw error;
    }
    lease.state = 'cut';
    await this.#takeBack(lease);
  }

  /** Those that could not be cut off when it was time. */
  async #cutOffLate(): Promise<void> {
    for (const [id, lease] of this.#leases) {
      if (lease.state !== 'closing') continue;
      try {
        await this.#cutOff(lease);
        this.warn(`the guest of ${lease.machine} is cut off, late`);
        if (lease.stopped) this.#leases.delete(id);
      } catch (error) {
        this.warn(`the guest of ${lease.machine} is not cut off: ${reason(error)}`);
      }
    }
  }

  /** What nobody uses any more, once the guest is cut off. Nothing of it is left because something else fails. */
  async #takeBack(lease: Lease): Promise<void> {
    try {
      await this.#forget(lease.guest.ip);
    } catch (error) {
      this.warn(`connections of ${lease.machine} may stay until they time out: ${reason(error)}`);
    }
    await this.#undo(lease);
  }

  /** A step that fails keeps no other from being undone. */
  async #undo({ undo, machine }: Lease): Promise<void> {
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) {
      try {
        await step();
      } catch (error) {
        this.warn(`while closing the route of ${machine}: ${reason(error)}`);
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
