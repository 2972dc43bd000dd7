import { WASMagic, WASMagicFlags } from 'wasmagic';

/** libmagic looks no further into a file by default (`-P bytes`). */
export const MAGIC_BYTES = 1024 * 1024;

/** One per process: loading the compiled rules costs ~50 ms. */
let loaded: Promise<WASMagic> | undefined;

const load = (): Promise<WASMagic> => (loaded ??= WASMagic.create({ flags: WASMagicFlags.NONE }));

/** What libmagic calls a file that begins with `head`; `data` when it cannot tell. */
export async function fileType(head: Uint8Array): Promise<string> {
  const magic = await load();
  try {
    return magic.detect(head.subarray(0, MAGIC_BYTES)) || 'data';
  } catch (error) {
    if (!(error instanceof Error && error.name === 'RuntimeError')) throw error;
    // A trap on hostile bytes leaves the module's memory in an unknown state: start anew for the next file.
    loaded = undefined;
    return 'data';
  }
}
