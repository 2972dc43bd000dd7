/** What unpacking one container, with all that is in it, may take. */
export interface UnpackLimits {
  /** Of the member files together. */
  readonly bytes: number;
  readonly members: number;
}

/** Members of one container: each becomes a task. */
export const MAX_MEMBERS = 500;

/**
 * A container may grow to this many times its size; below the floor nobody asks. Programs padded with zeros grow a
 * thousandfold and are common; beyond the floor no guest could take them.
 */
const MAX_RATIO = 200;
const RATIO_FLOOR_BYTES = 256 * 1024 * 1024;

/** Folders and links, which cost memory only. */
const MAX_NODES = 20_000;

/** The container asks for more than it may. The message completes "<name> ". */
export class TooMuch extends Error {
  override readonly name = 'TooMuch';
}

/** Counts what comes out of one container. What a failed attempt wrote is given back. */
export class Budget {
  readonly #bytes: number;
  #spent = 0;
  #members = 0;
  #nodes = 0;
  #serial = 0;

  constructor(
    private readonly limits: UnpackLimits,
    containerBytes: number,
  ) {
    this.#bytes = Math.min(limits.bytes, Math.max(RATIO_FLOOR_BYTES, containerBytes * MAX_RATIO));
  }

  /** A number for a temporary file, never given twice. @throws TooMuch */
  member(): number {
    this.#members += 1;
    if (this.#members > this.limits.members) {
      throw new TooMuch(`holds more than ${this.limits.members} files`);
    }
    this.#serial += 1;
    return this.#serial;
  }

  /** A folder or a link. @throws TooMuch */
  node(): void {
    this.#nodes += 1;
    if (this.#nodes > MAX_NODES) throw new TooMuch(`holds more than ${MAX_NODES} folders and links`);
  }

  /** @throws TooMuch */
  spend(bytes: number): void {
    this.#spent += bytes;
    if (this.#spent > this.#bytes) throw new TooMuch(`unpacks to more than ${this.#bytes} bytes`);
  }

  giveBack({ bytes, members }: UnpackLimits): void {
    this.#spent -= bytes;
    this.#members -= members;
  }
}
