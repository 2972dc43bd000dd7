import { stat } from 'node:fs/promises';
import { z } from 'zod';

/** Debian's `nobody` and `nogroup`. */
const NOBODY = 65534;

/** Whom QEMU runs as; null = as whoever runs us, who then is no root. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups: readonly number[];
}

/** A guest that breaks out of QEMU must not find itself root: root starts QEMU as nobody. */
export async function unprivileged(): Promise<Identity | null> {
  if (process.getuid?.() !== 0) return null;
  return { uid: NOBODY, gid: NOBODY, groups: await kvmGroup() };
}

/** /dev/kvm is commonly open to a group of its own. That of root is never given away. */
async function kvmGroup(): Promise<readonly number[]> {
  try {
    const { gid, mode } = await stat('/dev/kvm');
    return gid !== 0 && (mode & 0o060) === 0o060 ? [gid] : [];
  } catch {
    return []; // no KVM on this host
  }
}

/**
 * How setpriv turns us into a QEMU: no right gained ever again, killed when this process ends, however it ends.
 * The signal is asked for last because a change of user clears it.
 */
export function setprivArgs(identity: Identity | null): readonly string[] {
  const user =
    identity === null
      ? []
      : [
          ...['--reuid', String(identity.uid), '--regid', String(identity.gid)],
          ...(identity.groups.length === 0 ? ['--clear-groups'] : ['--groups', identity.groups.join(',')]),
        ];
  return [...user, '--no-new-privs', '--pdeathsig', 'KILL', '--'];
}

/** Enough to know a process again: a pid alone may have been given to another one since. */
export const processIdentity = z.object({
  bootId: z.string(),
  pid: z.int().positive(),
  /** Clock ticks from boot to its start: field 22 of /proc/<pid>/stat. */
  startTime: z.string(),
  /** /proc/<pid>/exe. */
  executable: z.string(),
});

export type ProcessIdentity = z.infer<typeof processIdentity>;
