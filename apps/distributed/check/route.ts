import { reason } from '#domain/errors.js';
import { readNodeUrl } from '#nodes/address.js';
import type { NodeLimits } from '#nodes/node.js';
import { fail } from '../../verdict.js';
import { whichConnects } from './connection.js';
import { addressesOf } from './lookup.js';
import { giveUrl } from './mend.js';
import type { Candidate, Tell } from './patient.js';
import { handshake } from './tls.js';

/** How far one gets without a word of HTTP. */
export interface Route {
  readonly url: URL;
  /** The address that takes connections. */
  readonly address: string;
}

/** What each step needs. */
export interface Hop {
  readonly url: URL;
  readonly limits: NodeLimits;
  readonly tell: Tell;
}

/** Address, connection, TLS; null when one of them failed. */
export async function findRoute(
  { name, url: text }: Candidate,
  limits: NodeLimits,
  tell: Tell,
  signal: AbortSignal,
): Promise<Route | null> {
  let url;
  try {
    url = new URL(readNodeUrl(text));
  } catch (error) {
    tell('address', fail(reason(error), giveUrl(name, 'http://HOST:8090/')));
    return null;
  }
  const hop = { url, limits, tell };
  const addresses = await addressesOf(hop, signal);
  if (addresses === null) return null;
  const address = await whichConnects(hop, addresses, signal);
  if (address === null) return null;
  if (url.protocol === 'https:' && !(await handshake(hop, address, signal))) return null;
  return { url, address };
}
