import type { Endpoint, FakenetRecord } from '#domain/artifacts.js';
import { now, Transcript } from '../fakenet/conversation.js';
import { endpointsOf } from '../fakenet/fake-internet.js';
import type { Datagram } from './udp.js';

/** Flows kept open; the oldest is written down to make room. */
const MAX_FLOWS = 1024;

interface Flow {
  readonly first: Datagram;
  readonly time: number;
  readonly said: Transcript;
}

/** Datagrams nobody answers, one record per pair of endpoints. */
export class UdpFlows {
  private readonly flows = new Map<string, Flow>();

  constructor(
    private readonly record: (record: FakenetRecord) => void,
    private readonly nameOf: (ip: string) => string | null,
    /** Where a flow was meant to go, for when its datagrams came from elsewhere; asked when it is written down. */
    private readonly meant: (first: Datagram) => Endpoint | null = () => null,
  ) {}

  add(datagram: Datagram): void {
    const key = `${datagram.sourcePort}>${datagram.destination}:${datagram.destinationPort}`;
    let flow = this.flows.get(key);
    if (flow === undefined) {
      const oldest = this.flows.entries().next().value;
      if (this.flows.size >= MAX_FLOWS && oldest !== undefined) {
        this.flows.delete(oldest[0]);
        this.write(oldest[1]);
      }
      flow = { first: { ...datagram, payload: Buffer.alloc(0) }, time: now(), said: new Transcript() };
      this.flows.set(key, flow);
    }
    flow.said.add(datagram.payload);
  }

  close(): void {
    for (const flow of this.flows.values()) this.write(flow);
    this.flows.clear();
  }

  private write({ first, time, said }: Flow): void {
    const { src, dst: shown } = endpointsOf(first);
    const dst = this.meant(first) ?? shown;
    const service = dst.port === 123 ? 'ntp' : 'unknown';
    const host = this.nameOf(dst.ip);
    this.record({ kind: 'udp', time, src, dst, service, host, data: said.toBase64(), bytes: said.bytes });
  }
}
