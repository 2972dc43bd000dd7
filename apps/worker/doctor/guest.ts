import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { reason } from '#domain/errors.js';
import { builtImage, type GuestImage } from '#guest/image/build.js';
import { readSaved, verifyTemplate } from '#machinery/adapters/qemu/parts.js';
import { readAuthority } from '../networks.js';
import { fail, ok, type Verdict } from '../../verdict.js';
import type { Check } from './check.js';
import type { Configured } from './context.js';

/** Reading a template of some gigabytes from a slow disk. */
const READ_MS = 120_000;

/** The default guest: is it built, and is what was saved of it still whole? */
export function guestChecks(configured: Configured): readonly Check[] {
  const { guests } = configured.home;
  return [
    { name: 'guest image', run: () => image(configured) },
    { name: 'guest template', ms: READ_MS, run: (signal) => templates(guests, signal) },
  ];
}

/** The image of these sources; null when it is not built yet. */
export async function defaultImage({ home }: Pick<Configured, 'home'>): Promise<GuestImage | null> {
  const ca = await readAuthority(join(home.guests, 'ca.json'));
  return ca === null ? null : await builtImage({ folder: home.guests, caCertificate: ca.certificate });
}

async function image(configured: Configured): Promise<Verdict> {
  const built = await defaultImage(configured);
  if (built === null)
    return ok(`not built yet; the first start builds it, or \`malkoha guest build\` does now`);
  const damaged = await damage(built);
  if (damaged === null) return ok(`${built.dir} is whole`);
  return fail(damaged, `rm -r ${built.dir}; the next start, or \`malkoha guest build\`, makes it again`);
}

/** What is wrong with the files, or null. The image is read-only and has no digest: sizes must do. */
export async function damage({ kernel, initrd, root }: GuestImage): Promise<string | null> {
  for (const path of [kernel, initrd, root]) {
    const size = await stat(path).then(
      (about) => about.size,
      () => null,
    );
    if (size === null) return `${path} is missing`;
    if (size === 0) return `${path} is empty`;
  }
  const length = await squashfsLength(root);
  if (length === null) return `${root} is no squashfs`;
  return length > (await stat(root)).size ? `${root} is cut off` : null;
}

/**
 * Bytes that the file system says it has: superblock of squashfs 4.0, magic at 0, bytes_used at 40, little-endian.
 * @see https://www.kernel.org/doc/html/latest/filesystems/squashfs.html
 */
async function squashfsLength(path: string): Promise<number | null> {
  await using file = await open(path, 'r');
  const { buffer, bytesRead } = await file.read(Buffer.alloc(48), 0, 48, 0);
  if (bytesRead < 48 || buffer.toString('latin1', 0, 4) !== 'hsqs') return null;
  return Number(buffer.readBigUInt64LE(40));
}

export async function templates(guests: string, signal: AbortSignal): Promise<Verdict | readonly Verdict[]> {
  const folders = await templateFolders(guests);
  if (folders.length === 0) return ok('none yet; the first start boots the guest once and makes it');
  const verdicts: Verdict[] = [];
  for (const folder of folders) {
    try {
      await verifyTemplate({ folder, saved: await readSaved(folder) }, 'whole', signal);
      verdicts.push(ok(`${folder} is what was saved`));
    } catch (error) {
      signal.throwIfAborted();
      verdicts.push(fail(reason(error), `rm -r ${folder}; the next start makes it again`));
    }
  }
  return verdicts;
}

/** One a template, whole or not. */
export async function templateFolders(guests: string): Promise<readonly string[]> {
  const dir = join(guests, 'templates');
  const names = await readdir(dir).catch(() => []); // none was made yet
  return names.filter((name) => /^[0-9a-f]{16}$/.test(name)).map((name) => join(dir, name));
}
