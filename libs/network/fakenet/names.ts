import { ipToNumber, ipToText } from '../userspace/addresses.js';

/** RFC 2544's benchmarking network: nobody's real address, and not on any list of private networks malware checks. */
const POOL_FIRST = ipToNumber('198.18.0.10');
const POOL_LAST = ipToNumber('198.19.255.250');

/** Remembered at once; the pool is larger, so a forgotten name's address is not given away soon. */
const MAX_NAMES = 32_768;

/** Which address each name got, both ways. The least recently asked is forgotten first. */
export class NamePool {
  private readonly addresses = new Map<string, number>();
  private readonly names = new Map<number, string>();
  private next = POOL_FIRST;

  constructor(private readonly max = MAX_NAMES) {}

  /** The name's address, the same for as long as it is remembered. Case does not matter. */
  addressOf(name: string): string {
    const key = name.toLowerCase();
    const address = this.addresses.get(key) ?? this.assign();
    // Most recently used last.
    this.addresses.delete(key);
    this.addresses.set(key, address);
    this.names.set(address, key);
    return ipToText(address);
  }

  nameOf(address: string): string | null {
    return this.names.get(ipToNumber(address)) ?? null;
  }

  private assign(): number {
    const oldest = this.addresses.entries().next().value;
    if (oldest !== undefined && this.addresses.size >= this.max) {
      this.addresses.delete(oldest[0]);
      this.names.delete(oldest[1]);
    }
    do {
      this.next = this.next >= POOL_LAST ? POOL_FIRST : this.next + 1;
    } while (this.names.has(this.next));
    return this.next;
  }
}
