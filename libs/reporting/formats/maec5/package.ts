import { uuid } from './uuid.js';
import { Observables } from './observables.js';

/** A MAEC object or relationship. */
export interface MaecObject {
  readonly type: string;
  readonly id: string;
  readonly [property: string]: unknown;
}

/** What the parts of a package share while it is made. */
export class PackageBuilder {
  readonly id: string;
  readonly observables = new Observables();
  readonly objects: MaecObject[] = [];
  readonly relationships: MaecObject[] = [];
  /** What a reader must know: what was left out, and the notes of the report. */
  readonly notes: string[] = [];
  readonly #uuid: string;

  /** `seed`: text that no other analysis has, and this one has again when it is examined again. */
  constructor(seed: string) {
    this.#uuid = uuid(seed);
    this.id = `package--${this.#uuid}`;
  }

  /** The id of the one object of this type and name in the package. */
  identifier(type: string, name: string): string {
    return `${type}--${uuid(`${type} ${name}`, this.#uuid)}`;
  }
}

/** Lists by key; a list begins with its first value. */
export function append<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

/** MAEC prohibits empty lists: such a property is left out. */
export function nonEmpty<T>(all: readonly T[]): readonly T[] | undefined {
  return all.length === 0 ? undefined : all;
}
