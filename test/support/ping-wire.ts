import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const GUEST = { mac: Buffer.from('525400123456', 'hex'), ip: Buffer.from([10, 0, 2, 15]) };
const HOST = { mac: Buffer.from('52550a000202', 'hex'), ip: Buffer.from([10, 0, 2, 2]) };

/**
 * The least network a guest can prove itself alive on: it answers ARP for 10.0.2.2 and pings 10.0.2.15, which a
 * Linux kernel answers by itself.
 */
export async function pingWire(path: string) {
  await rm(path, { force: true });
  let guest: Socket | undefined;
  let pongs = 0;
  const server = createServer((socket) => {
    guest?.destroy();
    guest = socket;
    let buffered = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      buffered = Buffer.concat([buffered, chunk]);
      while (buffered.length >= 4 && buffered.length >= 4 + buffered.readUInt32BE(0)) {
        const length = buffered.readUInt32BE(0);
        receive(buffered.subarray(4, 4 + length));
        buffered = buffered.subarray(4 + length);
      }
    });
  });
  const send = (frame: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(frame.length);
    guest?.write(Buffer.concat([length, frame]));
  };
  const receive = (frame: Buffer) => {
    const type = frame.readUInt16BE(12);
    if (type === 0x0806 && frame.readUInt16BE(20) === 1 && frame.subarray(38, 42).equals(HOST.ip))
      send(arpReply());
    if (type === 0x0800 && frame[23] === 1 && frame[34] === 0) pongs += 1;
  };
  server.listen(path);
  await once(server, 'listening');
  return {
    path,
    /** Resolves when the guest answers. */
    async ping(signal: AbortSignal): Promise<void> {
      const before = pongs;
      while (pongs === before) {
        send(echoRequest());
        await sleep(5, undefined, { signal });
      }
    },
    async [Symbol.asyncDispose]() {
      guest?.destroy();
      server.close();
      await rm(path, { force: true });
    },
  };
}

function arpReply(): Buffer {
  const header = Buffer.from('0001080006040002', 'hex');
  return Buffer.concat([ethernet('0806'), header, HOST.mac, HOST.ip, GUEST.mac, GUEST.ip]);
}

function echoRequest(): Buffer {
  const ip = Buffer.concat([
    Buffer.from('4500001c00010000400100000000', 'hex').subarray(0, 12),
    HOST.ip,
    GUEST.ip,
  ]);
  ip.writeUInt16BE(checksum(ip), 10);
  const icmp = Buffer.from('0800000000010001', 'hex');
  icmp.writeUInt16BE(checksum(icmp), 2);
  return Buffer.concat([ethernet('0800'), ip, icmp]);
}

function ethernet(type: string): Buffer {
  return Buffer.concat([GUEST.mac, HOST.mac, Buffer.from(type, 'hex')]);
}

function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}
