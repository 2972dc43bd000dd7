/** Who is who in the world of one guest. Every guest may have the same: a guest is its socket, not its address. */
export interface AddressPlan {
  readonly guestIp: string;
  readonly guestMac: string;
  /** Default gateway and DHCP server; the result server answers here too. */
  readonly gatewayIp: string;
  /** Answers every ARP question, so that whatever the guest sends arrives here. */
  readonly gatewayMac: string;
  readonly dnsIp: string;
  readonly netmask: string;
}

/** Where the default guest finds its results' way out. */
export const RESULT_SERVER = { ip: '10.0.2.2', port: 2042 } as const;

/** Where the agent listens inside the guest. */
export const AGENT_PORT = 8000;

/** The addresses of QEMU's own user-mode network: a guest prepared for one works with the other. */
export const DEFAULT_ADDRESSES: AddressPlan = {
  guestIp: '10.0.2.15',
  guestMac: '52:54:00:12:34:56',
  gatewayIp: RESULT_SERVER.ip,
  gatewayMac: '52:55:0a:00:02:02',
  dnsIp: '10.0.2.3',
  netmask: '255.255.255.0',
};

/** The plan around a guest whose address is set: `gateway` is what it knows as its result server's address. */
export function addressPlan({ ip, gateway, mac }: { ip: string; gateway: string; mac: string }): AddressPlan {
  const network = gateway.slice(0, gateway.lastIndexOf('.'));
  const free = [3, 4, 5].map((last) => `${network}.${last}`).filter((one) => one !== ip && one !== gateway);
  return {
    ...DEFAULT_ADDRESSES,
    ...{ guestIp: ip, guestMac: mac, gatewayIp: gateway },
    dnsIp: free[0] ?? DEFAULT_ADDRESSES.dnsIp,
  };
}

/** Dotted quad to unsigned 32-bit number. The text is the host's own, not the guest's. */
export function ipToNumber(text: string): number {
  return text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0) >>> 0;
}

export function ipToText(ip: number): string {
  return `${ip >>> 24}.${(ip >>> 16) & 255}.${(ip >>> 8) & 255}.${ip & 255}`;
}

export function macToBytes(text: string): Buffer {
  return Buffer.from(text.replaceAll(':', ''), 'hex');
}
