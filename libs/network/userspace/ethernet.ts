/** Layout: destination MAC 6, source MAC 6, type 2. */
export const ETHERNET_BYTES = 14;

export const ETHERTYPE = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd } as const;

/** Do the six bytes at `at` equal this MAC? */
export function isMac(view: DataView, at: number, mac: DataView): boolean {
  return view.getUint32(at) === mac.getUint32(0) && view.getUint16(at + 4) === mac.getUint16(4);
}

export function isBroadcast(view: DataView, at: number): boolean {
  return view.getUint32(at) === 0xffffffff && view.getUint16(at + 4) === 0xffff;
}
