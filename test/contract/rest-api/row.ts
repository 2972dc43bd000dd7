import { expect } from '@jest/globals';
import type { Given } from './world.js';

/** Some words for people: which ones is ours to choose. */
export const SENTENCE: unknown = expect.stringMatching(/\w+ \w+/);

/** One request and what must come back. `{id}` in a path is the task of `given`, `{key}` a value of an earlier answer of the same row. */
export interface Step {
  /** `GET /tasks/view/{id}`. */
  readonly ask: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Fields of a multipart form. */
  readonly form?: Readonly<Record<string, string>>;
  /** Files of the form, by field: [field, name, content]. */
  readonly files?: readonly (readonly [string, string, string])[];
  /** The same fields as application/x-www-form-urlencoded. */
  readonly urlencoded?: Readonly<Record<string, string>>;
  /** A multipart body written by hand, boundary `XX`, as odd clients write it. */
  readonly raw?: string;
  readonly status: number;
  /** The whole body, exactly. Asymmetric matchers are welcome. */
  readonly json?: unknown;
  /** A part of the body. */
  readonly has?: object;
  /** Keys of the body's object at a dotted path, sorted, all of them. */
  readonly keys?: readonly [string, readonly string[]];
  /** The content type, literally. */
  readonly type?: string;
  /** Other headers: literally, by pattern, or absent (null). */
  readonly header?: Readonly<Record<string, string | RegExp | null>>;
  /** The bytes: as text, or the names of an archive's members. */
  readonly text?: string | RegExp;
  readonly members?: readonly string[];
}

/** A sentence of the specification as requests. `says` begins with its section. */
export interface Row extends Step {
  readonly says: string;
  /** A task made for this row alone. */
  readonly given?: Given;
  readonly then?: readonly Step[];
}
