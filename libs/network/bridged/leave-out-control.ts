import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { diskError } from '#domain/disk-error.js';
import { SandboxError } from '#domain/errors.js';
import { readFrame, readTcp } from '#formats/packet.js';
import { PcapReader, type CapturedPacket } from '#formats/pcap-reader.js';
import { PCAP_RECORD_BYTES, pcapHeader, writePcapRecord } from '#formats/pcap-writer.js';

/** Whose traffic with us is not the sample's. */
export interface ControlTraffic {
  readonly ip: string;
  readonly agentPort: number;
  /** Addresses of this host, as the guest's network sees them. */
  readonly hosts: readonly string[];
  readonly resultServer: { readonly ip: string; readonly port: number };
}

const ETHERNET = 1;

/**
 * Rewrites a capture that a hypervisor made, which knows no filter, to hold what tcpdump's would: without what the host
 * and the agent say to each other, and without the results' way out. Memory is bounded by a chunk of the file.
 *
 * @throws CAPTURE_FAILED when it is no capture, NO_DISK_SPACE
 */
export async function leaveOutControl(path: string, guest: ControlTraffic): Promise<void> {
  const draft = `${path}.filtered`;
  try {
    await pipeline(
      createReadStream(path),
      (chunks: AsyncIterable<Buffer>) => kept(path, chunks, guest),
      createWriteStream(draft, { mode: 0o640 }),
    );
    await rename(draft, path);
  } catch (cause) {
    await rm(draft, { force: true });
    if (cause instanceof SandboxError) throw cause;
    throw diskError(`the capture ${path} cannot be filtered`, cause);
  }
}

async function* kept(path: string, chunks: AsyncIterable<Buffer>, guest: ControlTraffic) {
  let records: Buffer[] = [pcapHeader()];
  const reader = new PcapReader((packet) => {
    if (packet.linkType !== ETHERNET)
      throw new SandboxError(
        'CAPTURE_FAILED',
        `${path} has link type ${packet.linkType}, not that of Ethernet`,
      );
    if (!isControl(packet, guest)) records.push(record(packet));
  });
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    reader.push(chunk);
    yield Buffer.concat(records);
    records = [];
  }
  reader.finish();
  if (bytes === 0) throw new SandboxError('CAPTURE_FAILED', `${path} is empty`);
  if (reader.problem !== null) throw new SandboxError('CAPTURE_FAILED', `${path}: ${reader.problem}`);
}

function isControl(
  { linkType, data }: CapturedPacket,
  { ip, agentPort, hosts, resultServer }: ControlTraffic,
): boolean {
  const packet = readFrame(linkType, data);
  if (packet?.protocol !== 6 || (packet.fragment?.offset ?? 0) > 0) return false;
  const segment = readTcp(packet.payload);
  if (segment === null) return false;
  const from = { host: packet.src, port: segment.sport };
  const to = { host: packet.dst, port: segment.dport };
  return [
    { end: from, other: to },
    { end: to, other: from },
  ].some(
    ({ end: { host, port }, other }) =>
      (host === ip && port === agentPort && hosts.includes(other.host)) ||
      (host === resultServer.ip && port === resultServer.port),
  );
}

function record({ time, data }: CapturedPacket): Buffer {
  const bytes = Buffer.allocUnsafe(PCAP_RECORD_BYTES + data.length);
  writePcapRecord(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, time * 1000, data.length);
  data.copy(bytes, PCAP_RECORD_BYTES);
  return bytes;
}
