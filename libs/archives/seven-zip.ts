import { createRequire } from 'node:module';
import type { SevenZipModuleFactory } from '7z-wasm';
import type { Budget } from './limits.js';
import { VirtualDisk, type DiskFile, type EmscriptenFs } from './virtual-disk.js';

/** A CommonJS module whose types say otherwise. */
const start = createRequire(import.meta.url)('7z-wasm') as SevenZipModuleFactory;

/** Where the disk is mounted, and the folder on it that is unpacked into. */
const MOUNT = '/disk';
const OUT = 'out';

/** Lines of complaint kept. */
const MAX_COMPLAINTS = 20;

/** Formats that can encrypt the names of their members too. */
const HIDES_NAMES: ReadonlySet<string> = new Set(['7z', 'Rar', 'Rar5']);

/** Links are left out on purpose. */
const ABOUT_LINKS =
  /^ERROR: (?:Dangerous link|Cannot (?:create|set) (?:hard|symbolic) link|Cannot set file attribute)/;

export interface Extraction {
  /** 7-Zip as a kind of `-t`: no other format is tried. */
  readonly kind: string;
  readonly input: { readonly name: string; readonly fd: number; readonly size: number };
  /** Folder for what comes out. */
  readonly dir: string;
  /** '' for none. */
  readonly password: string;
}

export interface Extracted {
  readonly files: readonly DiskFile[];
  /** What 7-Zip had to say against it, with names of the archive in it. */
  readonly complaints: readonly string[];
  /** It is encrypted, and not with this password; where even the names are, 7-Zip cannot tell that from damage. */
  readonly isLocked: boolean;
}

/**
 * Unpacks everything in one archive with 7-Zip, which sees no disk but a virtual one.
 *
 * @throws TooMuch, or the real disk's error
 */
export async function extract(
  { kind, input, dir, password }: Extraction,
  budget: Budget,
): Promise<Extracted> {
  const complaints: string[] = [];
  let brokeOff = false;
  const program = await start({
    print: () => {},
    printErr: (line) => {
      if (line !== '' && !ABOUT_LINKS.test(line) && complaints.length < MAX_COMPLAINTS) complaints.push(line);
    },
    stdin: () => null as unknown as number, // the end of it, as the package has it: nobody is there to ask
  });
  const fs = program.FS as unknown as EmscriptenFs;
  using disk = new VirtualDisk(fs, input, dir, budget);
  program.FS.mkdir(MOUNT);
  program.FS.mount(disk.type as unknown as typeof program.FS, {}, MOUNT);
  try {
    program.callMain([
      ...['x', `-t${kind}`, `-p${password}`, '-y', '-bd', '-bb0', '-aou', '-sccUTF-8', '-mmt1'],
      ...[`-o${MOUNT}/${OUT}`, '--', `${MOUNT}/${input.name}`],
    ]);
  } catch {
    // A C++ exception, which this build cannot catch, or no more memory. What is written by then is there.
    brokeOff = true;
    complaints.push('7-Zip broke off');
  }
  if (disk.failure !== null) throw disk.failure;
  const files = disk.files(OUT);
  const isClosed = brokeOff && files.length === 0 && HIDES_NAMES.has(kind);
  return {
    files,
    complaints,
    isLocked: isClosed || complaints.some((line) => /^(?:ERROR: )?[^:]*Wrong password/.test(line)),
  };
}
