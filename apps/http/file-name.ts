/** Bytes of a file name on every common file system. */
const NAME_LIMIT = 255;

/**
 * The base name of an uploaded file as the client wrote it, or null when nothing usable is left and the caller
 * must find a name. The last component counts, whichever slashes the client's system has; an empty one leaves the one before.
 */
export function baseName(sent: string | undefined): string | null {
  const parts = unquote(sent ?? '')
    .split(/[/\\]/)
    .filter((part) => part !== '');
  const name = (parts.at(-1) ?? '').trim();
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (name === '' || name === '.' || name === '..' || /[\u0000-\u001f\u007f]/.test(name)) return null;
  return cut(name);
}

/** What a container is called once it is a plain zip: `pdf0.tgz` → `pdf0.zip`. `name` is a base name. */
export function archiveName(name: string): string {
  const stem = name.replace(/(?:\.tar)?\.[A-Za-z0-9]{1,16}$/, '');
  return cut(`${stem === '' ? name : stem}.zip`);
}

/** aiohttp and browsers percent-encode what they cannot write; text that only looks like it stays. */
function unquote(sent: string): string {
  try {
    return decodeURIComponent(sent);
  } catch {
    return sent;
  }
}

/** Keeps the extension: analysis packages are chosen by it. */
function cut(name: string): string {
  if (Buffer.byteLength(name) <= NAME_LIMIT) return name;
  const extension = /\.[A-Za-z0-9]{1,16}$/.exec(name)?.[0] ?? '';
  let stem = name.slice(0, name.length - extension.length);
  while (Buffer.byteLength(stem + extension) > NAME_LIMIT) stem = stem.slice(0, -1);
  // Half of a surrogate pair is no character.
  return stem.replace(/[\ud800-\udbff]$/, '') + extension;
}
