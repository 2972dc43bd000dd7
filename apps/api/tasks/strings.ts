import { URL_LIMIT } from '../../http/submission.js';

/** MD5, SHA-1, SHA-256, SHA-512. */
const HASH = /^(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128})$/i;
/** Labels of a name, in any script. */
const DOMAIN =
  /^(?:[\p{L}\p{N}_](?:[\p{L}\p{N}_-]{0,61}[\p{L}\p{N}_])?\.)+(?:\p{L}{2,63}|xn--[a-z0-9-]{1,59})\.?$/iu;
const ADDRESS = /^(?:\d{1,3}\.){3}\d{1,3}$|^\[[0-9a-f:.]+\]$|^localhost$/i;

export type Line =
  { readonly kind: 'url'; readonly url: string } | { readonly kind: 'error'; readonly why: string };

/** The lines of `strings`: URLs, names that become URLs, and what is neither, as they are asked for. Empty lines are none. */
export function* readStrings(strings: string): Generator<Line> {
  for (const line of strings.split(/\r\n|\r|\n/)) if (line.trim() !== '') yield readLine(line.trim());
}

function readLine(line: string): Line {
  if (HASH.test(line)) {
    // Cuckoo's sentence, which clients look for, and what is to be done here.
    return {
      kind: 'error',
      why: `Error retrieving file hash: ${line}: no downloader is configured; submit the file itself`,
    };
  }
  const url = /^https?:\/\//i.test(line) ? line : `http://${line}`;
  if (line.length > URL_LIMIT || /\p{Cc}/u.test(line) || !isUrl(url)) {
    return { kind: 'error', why: `'${shortened(line)}' was neither a valid hash or url` };
  }
  return { kind: 'url', url };
}

function isUrl(url: string): boolean {
  // The host as it is written: the parser would take 1 for the address 0.0.0.1.
  const host = /^https?:\/\/(?:[^\s/?#@]*@)?(\[[^\]]*\]|[^\s/?#:]+)(?::\d{1,5})?(?:[/?#]\S*)?$/i.exec(
    url,
  )?.[1];
  return host !== undefined && (DOMAIN.test(host) || ADDRESS.test(host)) && URL.canParse(url);
}

/** Control characters in an answer would be obeyed by somebody's terminal. */
function shortened(line: string): string {
  return line.replace(/\p{Cc}/gu, '\uFFFD').slice(0, 200);
}
