import { existsSync } from 'node:fs';
import {
  copyFile,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
  type FileHandle,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { SandboxError, reason } from '#domain/errors.js';

import { installedOn, makeBase, type BaseInputs } from './base.js';
import { distribution } from './distribution.js';
import { buildLock, identity } from './lock.js';
import { DEFAULT_RECIPE, hashOf, packagesOf, readTree, type Recipe } from './recipe.js';
import { findOne, ownFiles, packInitrd, packRoot } from './rootfs.js';

export interface GuestImage {
  /** Folder that holds the other files. */
  readonly dir: string;
  /** vmlinuz. */
  readonly kernel: string;
  /** Initramfs, not compressed. */
  readonly initrd: string;
  /** squashfs, given to the guest as the read-only /dev/vda. */
  readonly root: string;
  /** 16 hex digits over everything that the image is made of. */
  readonly hash: string;
  /** Kernel command line. The first serial port tells of panics; the guest then resets (start it with -no-reboot). */
  readonly cmdline: string;
}

export interface ImageRequest {
  /** Where images are kept, e.g. <home>/guests. */
  readonly folder: string;
  readonly recipe?: Recipe;
  /** PEM; the guest trusts it. */
  readonly caCertificate: string;
  /** For the downloads: http_proxy and the like. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly onProgress: (line: string) => void;
  readonly signal: AbortSignal;
}

/** `mitigations=off`: the guest guards nothing, and an emulated processor pays for each of them. */
const CMDLINE =
  'console=tty0 console=ttyS0 quiet loglevel=3 panic=-1 net.ifnames=0 mitigations=off random.trust_cpu=on';

/**
 * The guest image for this recipe: from the cache, or built. Two builders of one folder take turns.
 *
 * @throws GUEST_BUILD_FAILED naming folder/build.log; NO_DISK_SPACE; the signal's reason
 */
export async function ensureImage(request: ImageRequest): Promise<GuestImage> {
  const { folder, recipe = DEFAULT_RECIPE, onProgress, signal } = request;
  const { image, source, base, inputs } = await planned(request);
  if (await complete(image)) return image;

  await using _lock = await buildLock(
    folder,
    () => onProgress('waiting for another build of the guest'),
    signal,
  );
  if (await complete(image)) return image;
  const logPath = join(folder, 'build.log');
  await using log = await open(logPath, 'w');
  try {
    const baseDir = await ensureBase(folder, base, inputs, log, onProgress, signal);
    await assemble({ image, source, baseDir, recipe, log, onProgress, signal });
    await removeOtherBases(folder, baseDir);
  } catch (cause) {
    signal.throwIfAborted(); // a cancel is not a failure
    await log.write(`${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}\n`);
    const full = /ENOSPC|No space left/i.test(reason(cause));
    throw new SandboxError(
      full ? 'NO_DISK_SPACE' : 'GUEST_BUILD_FAILED',
      `the guest image was not built; the log is ${logPath}`,
      { cause },
    );
  }
  return image;
}

type Plan = Pick<ImageRequest, 'folder' | 'recipe' | 'caCertificate' | 'environment'>;

/** The image of this recipe when it is built already, else null: nothing is begun. @throws GUEST_BUILD_FAILED when none could be */
export async function builtImage(request: Plan): Promise<GuestImage | null> {
  const { image } = await planned(request);
  return (await complete(image)) ? image : null;
}

async function planned(request: Plan) {
  const { folder, recipe = DEFAULT_RECIPE } = request;
  const source = guestSource();
  const inputs = await baseInputs(source, recipe, request);
  const base = hashOf([
    inputs.distribution.suite,
    inputs.distribution.kernel,
    ...inputs.distribution.sources,
    '', // what follows is another list
    ...inputs.packages,
    inputs.setup,
    inputs.caCertificate,
  ]);
  const files = await readTree(source);
  const hash = hashOf([
    base,
    recipe.compression,
    CMDLINE,
    ...files.flatMap(({ path, content }) => [path, content]),
  ]);
  return { image: describe(join(folder, hash), hash), source, base, inputs };
}

function describe(dir: string, hash: string): GuestImage {
  const [kernel, initrd, root] = ['vmlinuz', 'initrd.cpio', 'root.squashfs'].map((name) => join(dir, name));
  return { dir, kernel: kernel ?? '', initrd: initrd ?? '', root: root ?? '', hash, cmdline: CMDLINE };
}

/** The folder is renamed to its place when it is whole, so its presence is enough. */
async function complete(image: GuestImage): Promise<boolean> {
  return readFile(join(image.dir, 'image.json')).then(
    () => true,
    () => false,
  );
}

/** analyzer-guest/ of this source tree: two levels above libs/guest/image, one more when run from dist/. */
function guestSource(): string {
  for (
    let folder = dirname(fileURLToPath(import.meta.url));
    folder !== dirname(folder);
    folder = dirname(folder)
  ) {
    if (existsSync(join(folder, 'analyzer-guest/agent/agent.py'))) return join(folder, 'analyzer-guest');
  }
  throw new SandboxError('GUEST_BUILD_FAILED', 'analyzer-guest/ is missing: it belongs to the source tree');
}

async function baseInputs(source: string, recipe: Recipe, request: Plan): Promise<BaseInputs> {
  const text = (path: string) => readFile(path, 'utf8').catch(() => '');
  const folder = '/etc/apt/sources.list.d';
  const names = (await readdir(folder).catch(() => []))
    .filter((name) => /\.(list|sources)$/.test(name))
    .sort();
  const lists = await Promise.all(
    ['/etc/apt/sources.list', ...names.map((name) => join(folder, name))].map(text),
  );
  const found = distribution(await text('/etc/os-release'), lists);
  if (found === null) {
    throw new SandboxError(
      'GUEST_BUILD_FAILED',
      'the default guest is made from the packages of the host, which must be Debian or Ubuntu',
    );
  }
  const setup = await readFile(join(source, 'image/setup'));
  return {
    distribution: found,
    packages: packagesOf(recipe),
    setup,
    caCertificate: request.caCertificate,
    environment: request.environment ?? {},
  };
}

async function ensureBase(
  folder: string,
  hash: string,
  inputs: BaseInputs,
  log: FileHandle,
  onProgress: (line: string) => void,
  signal: AbortSignal,
): Promise<string> {
  const base = join(folder, `base-${hash}`);
  if (existsSync(base)) return base;
  onProgress(
    `installing ${inputs.packages.length} packages of ${inputs.distribution.suite} and what they need`,
  );
  const temporary = await temporaryOf(base);
  try {
    // "I: …" are mmdebstrap's own headlines; the rest is for the log.
    const onLine = (line: string) => line.startsWith('I: ') && onProgress(line.slice(3));
    await makeBase(temporary, inputs, log, onLine, signal);
    await rename(temporary, base);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return base;
}

interface Assembly {
  readonly image: GuestImage;
  readonly source: string;
  readonly baseDir: string;
  readonly recipe: Recipe;
  readonly log: FileHandle;
  readonly onProgress: (line: string) => void;
  readonly signal: AbortSignal;
}

async function assemble({
  image,
  source,
  baseDir,
  recipe,
  log,
  onProgress,
  signal,
}: Assembly): Promise<void> {
  onProgress('packing the guest image');
  const temporary = await temporaryOf(image.dir);
  const parts = describe(temporary, image.hash);
  const kernel = join(baseDir, 'kernel');
  try {
    await mkdir(temporary, { recursive: true });
    const vmlinuz = await findOne(join(kernel, 'boot'), /^vmlinuz-/);
    if (vmlinuz === null) throw new Error(`no kernel in ${kernel}`);
    await copyFile(vmlinuz, parts.kernel);
    await packInitrd(source, kernel, parts.initrd, signal);
    const own = await ownFiles(source, installedOn(new Date()));
    await packRoot(own, join(baseDir, 'base.tar'), parts.root, recipe.compression, log, signal);
    await writeFile(
      join(temporary, 'image.json'),
      `${JSON.stringify({ hash: image.hash, recipe }, null, 2)}\n`,
    );
    await rm(image.dir, { recursive: true, force: true });
    await rename(temporary, image.dir);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function temporaryOf(path: string): Promise<string> {
  return `${path}.tmp-${(await identity(process.pid)) ?? ''}`;
}

/** A base is 200 MB and only ever used to build: the newest one is enough. Images stay: machines may run on them. */
async function removeOtherBases(folder: string, keep: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (name.startsWith('base-') && path !== keep) await rm(path, { recursive: true, force: true });
  }
}
