import type { ConnectionClass } from './tcp-types.js';

/** What fits an IPv4 packet: a guest whose route to the gateway has a large MTU sends much less often. */
const JUMBO_MSS = 65_000;

/** What Ethernet's 1500 bytes leave: the fake internet looks like the real one. */
const ETHERNET_MSS = 1460;

/** Calls to the agent. */
export const AGENT: ConnectionClass = {
  receiveWindow: 1024 * 1024,
  sendBuffer: 256 * 1024,
  mss: JUMBO_MSS,
  idleMs: Infinity,
  max: 1024,
};

/** Uploads of the guest: the result server has its own budgets and deadlines. */
export const RESULT: ConnectionClass = {
  receiveWindow: 1024 * 1024,
  sendBuffer: 256 * 1024,
  mss: JUMBO_MSS,
  idleMs: Infinity,
  max: 512,
};

/** Anything else: thousands, each small, none forever. */
export const INTERNET: ConnectionClass = {
  receiveWindow: 256 * 1024,
  sendBuffer: 128 * 1024,
  mss: ETHERNET_MSS,
  idleMs: 120_000,
  max: 4096,
};
