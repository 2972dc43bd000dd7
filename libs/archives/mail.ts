import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import PostalMime from 'postal-mime';
import { TooMuch, type Budget } from './limits.js';
import type { DiskFile } from './virtual-disk.js';

/** Bytes of a mail, which is whole in memory while it is read. */
const MAIL_BYTES = 64 * 1024 * 1024;
/** Parts within parts. */
const MAX_DEPTH = 20;

/**
 * The attachments of a mail, also those of mails forwarded inside it.
 *
 * @throws TooMuch, or an error of the parser when it is no mail
 */
export async function attachments(mail: Buffer, dir: string, budget: Budget): Promise<readonly DiskFile[]> {
  if (mail.length > MAIL_BYTES) throw new TooMuch(`is a mail of more than ${MAIL_BYTES} bytes`);
  const { attachments: found } = await PostalMime.parse(mail, { maxNestingDepth: MAX_DEPTH });
  return found.map(({ filename, mimeType, content }, index) => {
    const bytes = typeof content === 'string' ? Buffer.from(content) : new Uint8Array(content);
    const file = join(dir, String(budget.member()));
    budget.spend(bytes.length);
    writeFileSync(file, bytes, { flag: 'wx', mode: 0o600 });
    const raw = filename ?? `attachment-${index + 1}.${extensionOf(mimeType)}`;
    // A name is a name: a slash in it makes no folder.
    return { raw: raw.replaceAll(/[/\\]/g, '_'), file, size: bytes.length };
  });
}

/** `image/svg+xml` → `svg`. */
function extensionOf(mimeType: string): string {
  return /\/(?:x-)?([a-z0-9]{1,12})/.exec(mimeType)?.[1] ?? 'bin';
}
