import { DNS_PORT } from '../fakenet/dns.js';
import { NTP_PORT } from '../fakenet/ntp.js';

/**
 * TCP ports with a listener of their own: those where the port says what an otherwise silent client waits for, and the
 * web's. Which port was meant is then known even without a capture.
 */
export const KNOWN_TCP: readonly number[] = [
  ...[21, 25, 465, 587, 2525, DNS_PORT],
  ...[80, 443, 8080, 8443],
  ...[6660, 6661, 6662, 6663, 6664, 6665, 6666, 6667, 6668, 6669, 6697, 7000],
];

export const KNOWN_UDP: readonly number[] = [DNS_PORT, NTP_PORT];
