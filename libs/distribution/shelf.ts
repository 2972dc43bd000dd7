/** What is left of a node while tasks are placed: `room` and `free` only shrink. */
export interface Place {
  readonly id: number;
  /** Tasks it may be given. */
  room: number;
  /** Machines that idle. */
  free: number;
  /** Machines it has. */
  readonly size: number;
}

/** As it was when it was put where it is. */
interface Entry {
  readonly place: Place;
  readonly idle: number;
  readonly room: number;
}

/**
 * Some nodes, the best first: a binary heap that learns late of what was taken from a node by way of another shelf. That
 * is right because a node can only have become worse: until it is at the top it does not matter by how much.
 */
export class Shelf {
  readonly #heap: Entry[];

  constructor(places: Iterable<Place>) {
    const roomy = [...places].filter(({ room }) => room > 0);
    this.#heap = roomy.map(entryOf).sort(order); // what is sorted is a heap
  }

  /** The node with the most of its machines idle, then the most room, then the oldest; null when none has room. */
  best(): Place | null {
    for (;;) {
      const top = this.#heap[0];
      if (top === undefined) return null;
      if (top.room === top.place.room) return top.place;
      if (top.place.room > 0) this.#sink(entryOf(top.place));
      else this.#drop();
    }
  }

  #drop(): void {
    const last = this.#heap.pop();
    if (last !== undefined && this.#heap.length > 0) this.#sink(last);
  }

  /** Puts an entry in the place of the top. */
  #sink(entry: Entry): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      const [left, right] = [heap[2 * at + 1], heap[2 * at + 2]];
      if (left === undefined) break;
      const [child, index] =
        right !== undefined && order(right, left) < 0 ? [right, 2 * at + 2] : [left, 2 * at + 1];
      if (order(entry, child) <= 0) break;
      heap[at] = child;
      at = index;
    }
    heap[at] = entry;
  }
}

function entryOf(place: Place): Entry {
  return { place, idle: place.free / place.size, room: place.room };
}

function order(a: Entry, b: Entry): number {
  return b.idle - a.idle || b.room - a.room || a.place.id - b.place.id;
}
