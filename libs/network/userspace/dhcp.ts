import { type AddressPlan, ipToNumber } from './addresses.js';

export const DHCP_SERVER_PORT = 67;
export const DHCP_CLIENT_PORT = 68;

/** RFC 2131: fixed fields, then the magic cookie, then options. */
const OPTIONS_AT = 240;
const MAGIC = 0x63825363;
const DISCOVER = 1;
const OFFER = 2;
const REQUEST = 3;
const ACK = 5;
const NAK = 6;
const INFORM = 8;
const LEASE_SECONDS = 86_400;

/** The answer to a DHCP message of the guest; null when it needs none. There is one address to give, and it is the guest's. */
export function answerDhcp(request: Buffer, plan: AddressPlan): Buffer | null {
  if (request.length < OPTIONS_AT || request.readUInt8(0) !== 1 || request.readUInt32BE(236) !== MAGIC)
    return null;
  const options = parseOptions(request);
  const type = options.get(53)?.readUInt8(0);
  const guest = ipToNumber(plan.guestIp);
  const server = options.get(54);
  if (server !== undefined && server.readUInt32BE(0) !== ipToNumber(plan.gatewayIp)) return null;
  if (type === DISCOVER) return build(request, plan, OFFER, guest);
  if (type === INFORM) return build(request, plan, ACK, 0);
  if (type !== REQUEST) return null;
  const wanted = options.get(50)?.readUInt32BE(0) ?? request.readUInt32BE(12);
  return build(request, plan, wanted === guest || wanted === 0 ? ACK : NAK, guest);
}

/** Only the options read here, and only when as long as they must be. */
function parseOptions(request: Buffer): ReadonlyMap<number, Buffer> {
  const sizes: Readonly<Record<number, number>> = { 50: 4, 53: 1, 54: 4 };
  const options = new Map<number, Buffer>();
  for (let at = OPTIONS_AT; at + 1 < request.length;) {
    const code = request.readUInt8(at);
    if (code === 255) break;
    if (code === 0) {
      at++;
      continue;
    }
    const length = request.readUInt8(at + 1);
    const value = request.subarray(at + 2, at + 2 + length);
    if (value.length === length && sizes[code] === length) options.set(code, value);
    at += 2 + length;
  }
  return options;
}

function build(request: Buffer, plan: AddressPlan, type: number, address: number): Buffer {
  const reply = Buffer.alloc(OPTIONS_AT);
  // Hardware type and length, transaction id, flags, client MAC.
  request.copy(reply, 0, 0, 12);
  reply.writeUInt8(2, 0);
  reply.writeUInt8(0, 3);
  request.copy(reply, 28, 28, 44);
  if (type !== NAK) {
    request.copy(reply, 12, 12, 16);
    reply.writeUInt32BE(address, 16);
  }
  reply.writeUInt32BE(MAGIC, 236);
  const server = ip(plan.gatewayIp);
  const options = [option(53, Buffer.from([type])), option(54, server)];
  if (type !== NAK) {
    options.push(option(1, ip(plan.netmask)), option(3, server), option(6, ip(plan.dnsIp)));
    if (address !== 0) options.push(option(51, uint32(LEASE_SECONDS)));
  }
  // BOOTP clients want at least 300 bytes.
  return Buffer.concat([reply, ...options, Buffer.from([255]), Buffer.alloc(60)]);
}

function option(code: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([code, value.length]), value]);
}

function ip(text: string): Buffer {
  return uint32(ipToNumber(text));
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
