import type { Endpoint, FakenetRecord } from '#domain/artifacts.js';

/** The first bytes of a conversation that are kept. */
export const MAX_KEPT_BYTES = 4096;

/** Who talks to whom, as the guest sees it. */
export interface Conversation {
  readonly src: Endpoint;
  readonly dst: Endpoint;
  /** Name the destination was resolved from, or that was asked for in a proxy request. */
  readonly host: string | null;
  readonly tls: boolean;
}

/** What a guest said in a conversation without a format of its own: the first bytes, and how many there were. */
export class Transcript {
  bytes = 0;
  private readonly kept: Buffer[] = [];
  private keptBytes = 0;

  constructor(private readonly max = MAX_KEPT_BYTES) {}

  add(chunk: Buffer): void {
    this.bytes += chunk.length;
    const room = this.max - this.keptBytes;
    if (room <= 0) return;
    const part = Buffer.from(chunk.subarray(0, room));
    this.kept.push(part);
    this.keptBytes += part.length;
  }

  toBase64(): string {
    return Buffer.concat(this.kept).toString('base64');
  }
}

export function tcpRecord(
  conversation: Conversation,
  service: string,
  said: Transcript,
  time: number,
): FakenetRecord {
  const { src, dst, host } = conversation;
  return { kind: 'tcp', time, src, dst, service, host, data: said.toBase64(), bytes: said.bytes };
}

export function now(): number {
  return Date.now() / 1000;
}
