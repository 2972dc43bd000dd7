import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { SandboxError } from '#domain/errors.js';

/**
 * For what changes something: a page of another site that the operator looks at must not submit or delete, and a
 * GET that deletes needs no more than an image tag. Programs send none of these headers.
 *
 * @throws FOREIGN_PAGE
 */
export function mustBeOurPage(headers: IncomingHttpHeaders): void {
  const site = headers['sec-fetch-site'];
  // `same-site` is another port of this host, or another host of this domain: not us.
  const foreign =
    site === undefined
      ? isForeign(headers.origin ?? headers.referer, headers.host)
      : !['same-origin', 'none'].includes(site);
  if (foreign) throw new SandboxError('FOREIGN_PAGE', 'Requests from pages of other sites are refused');
}

/** `null` is the origin of sandboxed frames and local files: nobody's, so foreign. */
function isForeign(page: string | undefined, host: string | undefined): boolean {
  if (page === undefined) return false;
  return !URL.canParse(page) || new URL(page).host !== host;
}

/**
 * For an API that asks for no token: a page may make its own name mean our address (DNS rebinding) and is then no
 * foreign page to its browser. An address as the host, or a name that is ours, cannot be such a page's; a program may
 * use any name.
 *
 * @throws FOREIGN_PAGE
 */
export function mustCallUsByName(headers: IncomingHttpHeaders, ownName: string): void {
  if (!isBrowser(headers)) return;
  const url = `http://${headers.host ?? ''}`;
  const hostname = URL.canParse(url) ? new URL(url).hostname : '';
  if (isAddress(hostname) || /(^|\.)localhost$/.test(hostname) || hostname === ownName.toLowerCase()) return;
  throw new SandboxError(
    'FOREIGN_PAGE',
    `A browser may not call this API ${JSON.stringify(hostname)}: use localhost or an address, or set a token`,
  );
}

/**
 * Every browser sends a language, and no page can keep it from that; a site only to addresses it trusts. Node's fetch
 * sends a language too, but with a mode and no site, which no page can make a browser do.
 */
function isBrowser(headers: IncomingHttpHeaders): boolean {
  const [language, mode] = [headers['accept-language'], headers['sec-fetch-mode']];
  const sites = [headers['sec-fetch-site'], headers.origin];
  return sites.some((site) => site !== undefined) || (language !== undefined && mode === undefined);
}

function isAddress(hostname: string): boolean {
  return isIP(hostname.replace(/^\[(.*)\]$/, '$1')) > 0;
}
