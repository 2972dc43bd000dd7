import { serves, type MachineTraits, type Requirements } from '#domain/machine.js';
import { Shelf, type Place } from './shelf.js';

/** What a node can take. */
export interface Capacity {
  readonly id: number;
  /** Tasks it may be given now. */
  readonly room: number;
  /** Machines that idle. */
  readonly free: number;
  readonly machines: readonly MachineTraits[];
  /** Why it is given no task at all; null: it may be given some. */
  readonly shut?: string | null;
  /** Why it is kept for tasks that are pinned to it, in a few words; null: it may be given any. */
  readonly kept?: string | null;
}

export type Wants = Requirements & { readonly pinned: boolean; readonly nodeId: number | null };

/** Machines that are alike, and the nodes that have one. */
interface Kind {
  readonly id: number;
  readonly machine: MachineTraits;
  readonly places: Set<Place>;
}

/** Nodes with room, by what their machines can: a lane looks once at each kind of machine, however many nodes have it. */
export class Shelves {
  readonly #nodes = new Map<number, { readonly place: Place; readonly machines: Capacity['machines'] }>();
  readonly #named = new Map<string, Set<Place>>();
  readonly #kinds = new Map<string, Kind>();
  readonly #tagged = new Map<string, Set<Kind>>();
  /** By the kinds of machines that serve: many lanes have the same. */
  readonly #shelves = new Map<string, Shelf>();

  constructor(nodes: readonly Capacity[]) {
    for (const { id, room, free, machines, kept = null } of nodes.filter((node) => node.room > 0)) {
      const place = { id, room, free, size: machines.length };
      this.#nodes.set(id, { place, machines });
      if (kept !== null) continue; // found by its id only
      for (const machine of machines) {
        for (const name of [machine.name, machine.label ?? machine.name])
          this.#named.set(name, (this.#named.get(name) ?? new Set()).add(place));
        this.#kindOf(machine).places.add(place);
      }
    }
  }

  /** The nodes for a task that wants this, and for all others of its lane. */
  of(wants: Wants): Shelf {
    if (wants.pinned) {
      const only = wants.nodeId === null ? undefined : this.#nodes.get(wants.nodeId);
      const isServed = only?.machines.some((machine) => serves(machine, wants)) === true;
      return new Shelf(isServed ? [only.place] : []);
    }
    if (wants.machine !== null) return new Shelf(this.#named.get(wants.machine) ?? []);
    const [tag] = wants.tags;
    const perhaps = tag === undefined ? this.#kinds.values() : (this.#tagged.get(tag) ?? []);
    const kinds = [...perhaps].filter(({ machine }) => serves(machine, wants));
    const key = kinds.map(({ id }) => id).join();
    const shelf = this.#shelves.get(key) ?? new Shelf(new Set(kinds.flatMap(({ places }) => [...places])));
    this.#shelves.set(key, shelf);
    return shelf;
  }

  /** What is left of a node; undefined: it has no room. */
  place(nodeId: number): Place | undefined {
    return this.#nodes.get(nodeId)?.place;
  }

  #kindOf(machine: MachineTraits): Kind {
    const { platform, arch, reserved, tags } = machine;
    const key = JSON.stringify([platform, arch, reserved, tags.toSorted()]);
    const known = this.#kinds.get(key);
    if (known) return known;
    const kind = { id: this.#kinds.size, machine, places: new Set<Place>() };
    this.#kinds.set(key, kind);
    for (const tag of tags) this.#tagged.set(tag, (this.#tagged.get(tag) ?? new Set()).add(kind));
    return kind;
  }
}
