import type { Endpoint } from '#domain/artifacts.js';
import { readFrame, readTcp, readUdp, type TcpSegment } from '#formats/packet.js';
import type { CapturedPacket } from '#formats/pcap-reader.js';

/** A packet is seen some milliseconds before the connection it opens is accepted; a busy host takes longer. */
const PATIENCE_MS = 1_000;
/** After so many in a row that were never seen, the operator's filter keeps them out: nobody waits for the next. */
const MISSES = 4;
/** First packets of flows, whose destination showed only later. */
const MAX_BELATED = 20_000;
/** Repeated first packets of one flow. */
const MAX_REPEATED = 8;

/** A flow that the guest began, by its port. */
interface Begun {
  /** Of the SYN; null for UDP. */
  readonly sequence: number | null;
  /** As the packets show it. */
  readonly shown: Endpoint;
  /** Of packets in the capture that show it. */
  readonly offsets: number[];
  /** Where the guest meant it to go; null: not known yet. */
  meant: Endpoint | null;
  /** Whoever accepted the connection has been told. */
  told: boolean;
}

const same = (a: Endpoint, b: Endpoint): boolean => a.ip === b.ip && a.port === b.port;

/**
 * Where one guest's packets were meant to go, as the capture shows it. The rooter turns them to ports of ours, and who
 * accepts them there no longer sees it. Where Linux filters bridged traffic (br_netfilter, which Docker loads) even the
 * capture shows the guest's packets turned already, but the answers from where the guest thinks they come: then the
 * first answer tells. One entry for each port of the guest: bounded by their number.
 */
export class Sightings {
  /** Packets captured before their destination was known, by their place in the capture. */
  readonly belated: { readonly offset: number; readonly to: Endpoint }[] = [];
  private readonly tcp = new Map<number, Begun>();
  private readonly udp = new Map<number, Begun>();
  private readonly waiting = new Map<number, () => void>();
  private misses = 0;

  /** @param turnedTo addresses that the guest's packets may have been turned to */
  constructor(
    private readonly guestIp: string,
    private readonly turnedTo: readonly string[],
  ) {}

  /** Looks at a captured packet: gives the destination it was meant for when it shows another one, and that is known. */
  see({ linkType, data, offset }: CapturedPacket): Endpoint | null {
    const packet = readFrame(linkType, data);
    if (packet === null || packet.fragment !== null) return null;
    const outgoing = packet.src === this.guestIp;
    if (!outgoing && packet.dst !== this.guestIp) return null;
    if (packet.protocol === 17) {
      const datagram = readUdp(packet.payload);
      if (datagram === null) return null;
      if (!outgoing) {
        this.answered(this.udp, datagram.dport, { ip: packet.src, port: datagram.sport });
        return null;
      }
      const shown = { ip: packet.dst, port: datagram.dport };
      return this.sent(this.udp, datagram.sport, { shown, sequence: null, offset, begins: true });
    }
    const segment = packet.protocol === 6 ? readTcp(packet.payload) : null;
    if (segment === null) return null;
    if (!outgoing) {
      if (answersSyn(segment, packet.payload, this.tcp.get(segment.dport)))
        this.answered(this.tcp, segment.dport, { ip: packet.src, port: segment.sport });
      return null;
    }
    const { sport, dport, sequence, syn, ack } = segment;
    const shown = { ip: packet.dst, port: dport };
    return this.sent(this.tcp, sport, { shown, sequence, offset, begins: syn && !ack });
  }

  /** Where the connection that was just accepted from this port of the guest was meant to go; null: not seen. */
  async connection(port: number): Promise<Endpoint | null> {
    const seen = this.tell(port);
    if (seen !== null || this.misses >= MISSES) return seen;
    return new Promise((resolve) => {
      const settle = (): void => {
        clearTimeout(timer);
        this.waiting.delete(port);
        const meant = this.tell(port);
        this.misses = meant === null ? this.misses + 1 : 0;
        resolve(meant);
      };
      const timer = setTimeout(settle, PATIENCE_MS);
      this.waiting.set(port, settle);
    });
  }

  /** Where the latest datagram from this port of the guest was meant to go; null: not seen. */
  datagram(port: number): Endpoint | null {
    return this.udp.get(port)?.meant ?? null;
  }

  /** Nothing more will be seen: nobody waits any longer. */
  end(): void {
    for (const settle of [...this.waiting.values()]) settle();
  }

  private sent(
    flows: Map<number, Begun>,
    port: number,
    packet: { shown: Endpoint; sequence: number | null; offset: number; begins: boolean },
  ): Endpoint | null {
    const { shown, sequence, offset, begins } = packet;
    let flow = flows.get(port);
    const again = flow !== undefined && same(flow.shown, shown) && flow.sequence === sequence;
    if (begins && !again) {
      const direct = !this.turnedTo.includes(shown.ip);
      flow = { sequence, shown, offsets: [], meant: direct ? shown : null, told: false };
      flows.set(port, flow);
      if (direct) this.waiting.get(port)?.();
    }
    if (flow === undefined || !same(flow.shown, shown)) return null;
    if (flow.meant !== null) return same(flow.meant, shown) ? null : flow.meant;
    if (flow.offsets.length < MAX_REPEATED) flow.offsets.push(offset);
    return null;
  }

  private answered(flows: Map<number, Begun>, port: number, from: Endpoint): void {
    const flow = flows.get(port);
    if (flow === undefined || flow.meant !== null) return;
    flow.meant = from;
    if (!same(from, flow.shown))
      for (const offset of flow.offsets)
        if (this.belated.length < MAX_BELATED) this.belated.push({ offset, to: from });
    if (flows === this.tcp) this.waiting.get(port)?.();
  }

  /** The port may be used again at once: what is told is not told again. */
  private tell(port: number): Endpoint | null {
    const flow = this.tcp.get(port);
    if (flow === undefined || flow.told || flow.meant === null) return null;
    flow.told = true;
    this.misses = 0;
    return flow.meant;
  }
}

/** Accepted or refused: the acknowledgement number is that of the SYN and one more. */
function answersSyn({ syn, rst, ack }: TcpSegment, bytes: Buffer, flow: Begun | undefined): boolean {
  if (!ack || !(syn || rst) || flow?.sequence === undefined || flow.sequence === null) return false;
  return bytes.readUInt32BE(8) === (flow.sequence + 1) >>> 0;
}
