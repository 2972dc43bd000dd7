import { createHash } from 'node:crypto';
import { ProtocolError } from '#domain/errors.js';
import { decodeMessage, type DnsMessage } from '#formats/dns.js';
import { FragmentJoiner } from '#formats/ip-fragments.js';
import { readFrame, readTcp, readUdp, type IpPacket, type TcpSegment } from '#formats/packet.js';
import { PcapReader, type CapturedPacket } from '#formats/pcap-reader.js';
import { TcpStream } from '#formats/tcp-stream.js';

/** Connections and datagram pairs in the report; a port scan has more. */
const MAX_FLOWS = 20_000;
/** Bytes kept from the beginning of each direction of a connection, and of all together. */
const STREAM_BYTES = 1024 * 1024;
const ALL_STREAM_BYTES = 96 * 1024 * 1024;
const MAX_DNS_MESSAGES = 20_000;
const MAX_ICMP = 1000;
/** Bytes of one ICMP payload. */
const ICMP_BYTES = 1024;

/** Every IPv6 host's own talk: multicast listeners and neighbours (RFC 3810, RFC 4861). */
const HOUSEKEEPING = new Set([130, 131, 132, 133, 134, 135, 136, 137, 143]);

const DNS_PORTS = new Set([53, 5353, 5355]);

export interface CapturedFlow {
  readonly protocol: 'tcp' | 'udp';
  readonly src: string;
  readonly sport: number;
  readonly dst: string;
  readonly dport: number;
  /** Of the first packet, in the capture file. */
  readonly offset: number;
  /** Unix seconds. */
  readonly time: number;
  bytesOut: number;
  bytesIn: number;
  /** Did the other side answer at all? */
  answered: boolean;
  /** Of the SYN it began with; null when the capture lacks it. */
  readonly synSequence: number | null;
  readonly client: TcpStream;
  readonly server: TcpStream;
}

export interface CapturedDns {
  readonly time: number;
  readonly src: string;
  readonly dst: string;
  readonly message: DnsMessage;
}

export interface CapturedIcmp {
  readonly src: string;
  readonly dst: string;
  readonly type: number;
  readonly data: Buffer;
}

/** What a capture file holds, still without meaning. */
export interface Capture {
  readonly sha256: string;
  /** Unix seconds of the first packet; null when there is none. */
  readonly began: number | null;
  /** In order of their first packets. */
  readonly flows: readonly CapturedFlow[];
  readonly dns: readonly CapturedDns[];
  readonly icmp: readonly CapturedIcmp[];
  readonly notes: readonly string[];
}

/** Reads a capture, streaming. Checks `signal` between chunks. */
export async function readCapture(chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<Capture> {
  const builder = new CaptureBuilder();
  for await (const chunk of chunks) {
    signal.throwIfAborted();
    builder.push(chunk);
  }
  return builder.finish();
}

export class CaptureBuilder {
  readonly #hash = createHash('sha256');
  readonly #reader = new PcapReader((packet) => this.#packet(packet));
  readonly #fragments = new FragmentJoiner();
  /** Latest flow of a pair of endpoints, under both directions' names. */
  readonly #latest = new Map<string, CapturedFlow>();
  readonly #flows: CapturedFlow[] = [];
  readonly #dns: CapturedDns[] = [];
  readonly #icmp: CapturedIcmp[] = [];
  #began: number | null = null;
  #kept = 0;
  #refusedFlows = 0;
  #refusedDns = 0;
  #cutStreams = false;

  push(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.#reader.push(chunk);
  }

  finish(): Capture {
    this.#reader.finish();
    for (const flow of this.#flows)
      if (flow.protocol === 'tcp' && DNS_PORTS.has(flow.dport)) this.#dnsOverTcp(flow);
    const notes: string[] = [];
    if (this.#reader.problem !== null)
      notes.push(`The capture was read only in part: ${this.#reader.problem}.`);
    if (this.#refusedFlows > 0)
      notes.push(`${this.#refusedFlows} further packets belong to connections not listed.`);
    if (this.#refusedDns > 0) notes.push(`${this.#refusedDns} further DNS messages are not listed.`);
    if (this.#cutStreams) notes.push('Requests late in large transfers are not listed: too much content.');
    return {
      sha256: this.#hash.digest('hex'),
      began: this.#began,
      flows: this.#flows,
      dns: this.#dns,
      icmp: this.#icmp,
      notes,
    };
  }

  #packet(captured: CapturedPacket): void {
    this.#began ??= captured.time;
    const frame = readFrame(captured.linkType, captured.data);
    const packet = frame === null ? null : this.#fragments.add(frame);
    if (packet === null) return;
    switch (packet.protocol) {
      case 6:
        this.#tcp(packet, captured);
        break;
      case 17:
        this.#udp(packet, captured);
        break;
      case 1:
      case 58:
        this.#icmpPacket(packet);
        break;
    }
  }

  #tcp(packet: IpPacket, captured: CapturedPacket): void {
    const segment = readTcp(packet.payload);
    if (segment === null) return;
    const { flow, fromClient } = this.#flowOf(packet, segment, captured);
    if (flow === undefined) return;
    const stream = fromClient ? flow.client : flow.server;
    if (segment.syn) stream.begin(segment.sequence);
    const answers = segment.payload.length > 0 || (segment.syn && segment.ack);
    if (!fromClient && answers) flow.answered = true;
    if (fromClient) flow.bytesOut += segment.payload.length;
    else flow.bytesIn += segment.payload.length;
    if (segment.payload.length === 0) return;
    if (this.#kept >= ALL_STREAM_BYTES) this.#cutStreams = true;
    else this.#kept += stream.add(segment.sequence + (segment.syn ? 1 : 0), segment.payload, captured.time);
  }

  #udp(packet: IpPacket, captured: CapturedPacket): void {
    const datagram = readUdp(packet.payload);
    if (datagram === null) return;
    const { flow, fromClient } = this.#flowOf(packet, datagram, captured);
    if (flow !== undefined) {
      if (fromClient) flow.bytesOut += datagram.payload.length;
      else flow.bytesIn += datagram.payload.length;
      if (!fromClient) flow.answered = true;
    }
    if (DNS_PORTS.has(datagram.dport) || DNS_PORTS.has(datagram.sport)) {
      this.#dnsMessage(packet, captured.time, datagram.payload);
    }
  }

  #flowOf(
    packet: IpPacket,
    ports: TcpSegment | { readonly sport: number; readonly dport: number },
    captured: CapturedPacket,
  ): { flow: CapturedFlow | undefined; fromClient: boolean } {
    const segment = 'sequence' in ports ? ports : null;
    const protocol = segment === null ? 'udp' : 'tcp';
    const from = `${packet.src} ${ports.sport}`;
    const to = `${packet.dst} ${ports.dport}`;
    const known = this.#latest.get(`${protocol} ${from} ${to}`);
    // A SYN with another number is not a repeated one: the same ports again for a new connection.
    const again =
      segment !== null &&
      segment.syn &&
      !segment.ack &&
      known !== undefined &&
      known.synSequence !== segment.sequence;
    if (known !== undefined && !again) {
      return { flow: known, fromClient: known.src === packet.src && known.sport === ports.sport };
    }
    if (this.#flows.length >= MAX_FLOWS) {
      this.#refusedFlows++;
      return { flow: undefined, fromClient: true };
    }
    // A capture that begins with the answer.
    const reversed = segment !== null && segment.syn && segment.ack;
    const flow: CapturedFlow = {
      protocol,
      src: reversed ? packet.dst : packet.src,
      sport: reversed ? ports.dport : ports.sport,
      dst: reversed ? packet.src : packet.dst,
      dport: reversed ? ports.sport : ports.dport,
      offset: captured.offset,
      time: captured.time,
      bytesOut: 0,
      bytesIn: 0,
      answered: false,
      synSequence: segment !== null && segment.syn && !segment.ack ? segment.sequence : null,
      client: new TcpStream(STREAM_BYTES),
      server: new TcpStream(STREAM_BYTES),
    };
    this.#flows.push(flow);
    this.#latest.set(`${protocol} ${from} ${to}`, flow);
    this.#latest.set(`${protocol} ${to} ${from}`, flow);
    return { flow, fromClient: !reversed };
  }

  #dnsMessage({ src, dst }: { src: string; dst: string }, time: number, bytes: Buffer): void {
    if (this.#dns.length >= MAX_DNS_MESSAGES) {
      this.#refusedDns++;
      return;
    }
    const message = tryDecode(bytes);
    if (message !== null) this.#dns.push({ time, src, dst, message });
  }

  /** Each message has its length before it. */
  #dnsOverTcp(flow: CapturedFlow): void {
    const sides = [
      { from: flow.src, to: flow.dst, stream: flow.client },
      { from: flow.dst, to: flow.src, stream: flow.server },
    ];
    for (const { from, to, stream } of sides) {
      const bytes = stream.bytes();
      for (let at = 0; at + 2 <= bytes.length;) {
        const length = bytes.readUInt16BE(at);
        if (length === 0 || at + 2 + length > bytes.length) break;
        this.#dnsMessage({ src: from, dst: to }, stream.timeAt(at), bytes.subarray(at + 2, at + 2 + length));
        at += 2 + length;
      }
    }
  }

  /** Type, code, checksum, four bytes that depend on the type, data. */
  #icmpPacket({ src, dst, protocol, payload }: IpPacket): void {
    if (payload.length < 8 || this.#icmp.length >= MAX_ICMP) return;
    if (protocol === 58 && HOUSEKEEPING.has(payload[0] ?? 0)) return;
    const data = Buffer.from(payload.subarray(8, 8 + ICMP_BYTES));
    this.#icmp.push({ src, dst, type: payload[0] ?? 0, data });
  }
}

function tryDecode(bytes: Buffer): DnsMessage | null {
  try {
    return decodeMessage(bytes);
  } catch (error) {
    if (error instanceof ProtocolError) return null;
    throw error;
  }
}
