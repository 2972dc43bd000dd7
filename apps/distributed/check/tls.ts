import { isIP } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { reason } from '#domain/errors.js';
import { fail, ok, warn, type Verdict } from '../../verdict.js';
import { hostOf, portOf } from './networks.js';
import { opened } from './opened.js';
import type { Hop } from './route.js';
import { count, duration } from './words.js';

/** False: it does not come about. */
export async function handshake(
  { url, limits, tell }: Hop,
  address: string,
  signal: AbortSignal,
): Promise<boolean> {
  const host = hostOf(url);
  const name = isIP(host) === 0 ? { servername: host } : {};
  const began = performance.now();
  try {
    const socket = connect({ host: address, port: portOf(url), ...name });
    await opened(socket, 'secureConnect', limits.connect, signal);
    tell('TLS', certificate(socket, performance.now() - began));
    socket.destroy();
    return true;
  } catch (error) {
    signal.throwIfAborted();
    tell('TLS', fail(`no secure connection: ${reason(error)}`, mendTls(error, host)));
    return false;
  }
}

/** Days before the end of a certificate that it should be renewed in. */
const RENEW_DAYS = 14;

function certificate(tls: TLSSocket, ms: number): Verdict {
  const { valid_to: until } = tls.getPeerCertificate();
  const days = Math.floor((Date.parse(until) - Date.now()) / 86_400_000);
  if (days <= RENEW_DAYS)
    return warn(
      `its certificate ends in ${count(days, 'day')}, on ${until}`,
      'renew it on the node, or on the proxy before it',
    );
  return ok(`${tls.getProtocol()} after ${duration(ms)}, its certificate is good until ${until}`);
}

export function mendTls(error: unknown, host: string): string {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (code === 'CERT_HAS_EXPIRED') return 'renew the certificate on the node, or on the proxy before it';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `give the URL with a name that is in the certificate, or the node a certificate for ${host}`;
  if (/SELF_SIGNED|UNABLE_TO/.test(code))
    return 'start `malkoha distributed` with NODE_EXTRA_CA_CERTS=/path/of/your-ca.pem in its environment, the CA that signed it';
  return 'does it speak TLS on that port at all? If not, give its URL with http://';
}
