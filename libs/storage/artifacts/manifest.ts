import { z } from 'zod';
import { ARTIFACTS } from '#domain/artifacts.js';
import { reason, SandboxError } from '#domain/errors.js';
import { quoted } from '#domain/quoted.js';
import { RUN_MARK } from './run-mark.js';

/** Bytes of one name, and of a whole path: what file systems and S3 take. */
const MAX_NAME = 255;
const MAX_PATH = 900;
/** Files and folders of one run: the result server takes fewer. */
const MAX_ENTRIES = 200_000;

/** What no key of an object store, and none of our file names, holds. */
// eslint-disable-next-line no-control-regex -- they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f\\]/;

/**
 * A path below an analysis folder. Who can write to the bucket may have written the manifest: it must not lead out of the
 * folder, nor over what we put there ourselves.
 */
export function isSafePath(path: string): boolean {
  const names = path.split('/');
  const [first = ''] = names;
  if (first === ARTIFACTS.sample || first.startsWith(RUN_MARK)) return false;
  return Buffer.byteLength(path) <= MAX_PATH && names.every(isSafeName);
}

function isSafeName(name: string): boolean {
  if (name === '' || name === '.' || name === '..' || CONTROL.test(name)) return false;
  return Buffer.byteLength(name) <= MAX_NAME;
}

const path = z.string().refine(isSafePath, 'a path that leads out of the folder');
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const file = z.object({
  path,
  size: z.int().min(0),
  sha256,
  /** Milliseconds since 1970. */
  modified: z.number(),
  /** Its key, below that of the run. */
  object: path,
});

const manifest = z.object({
  version: z.literal(1),
  task: z.int(),
  epoch: z.int(),
  /** What `binary` leads to; null for a URL. */
  sample: sha256.nullable(),
  folders: z.array(path).max(MAX_ENTRIES),
  files: z.array(file).max(MAX_ENTRIES),
});

export type StoredFile = Readonly<z.infer<typeof file>>;
/** What a stored run consists of. It is written last: a run without one is not there. */
export type Manifest = Readonly<z.infer<typeof manifest>>;

/** A manifest as this host knows it. */
export interface StoredManifest {
  /** Its key, below that of the run. */
  readonly name: string;
  /** Of the object: whether there is another one by now. */
  readonly etag: string;
  readonly content: Manifest;
}

/** @throws ARTIFACTS_DAMAGED when it is no manifest of this run, or names what it must not */
export function parseManifest(
  text: string,
  run: { readonly task: number; readonly epoch: number },
): Manifest {
  try {
    const found = manifest.parse(JSON.parse(text));
    if (found.task !== run.task || found.epoch !== run.epoch)
      throw new Error(`it is that of run ${found.task}/${found.epoch}`);
    return found;
  } catch (cause) {
    const why = cause instanceof z.ZodError ? new Error(firstIssue(cause)) : cause;
    throw new SandboxError(
      'ARTIFACTS_DAMAGED',
      `the manifest of run ${run.task}/${run.epoch} is not one: ${reason(why)}`,
      { cause },
    );
  }
}

function firstIssue({ issues: [issue] }: z.ZodError): string {
  return issue === undefined ? 'damaged' : `${quoted(issue.path.join('.'))}: ${issue.message}`;
}
