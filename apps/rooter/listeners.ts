import { readFile } from 'node:fs/promises';

/** In /proc/net/tcp. A UDP socket that is only bound has state 07. */
const LISTENING = { tcp: '0A', udp: '07' } as const;

/**
 * Users whose sockets take what arrives at `ip`:`port`: those bound to the address itself or to every address.
 *
 * @see proc(5), /proc/net/tcp: addresses are host-endian hexadecimal, IPv6 in four such words
 */
export async function listeners(
  protocol: 'tcp' | 'udp',
  ip: string,
  port: number,
): Promise<readonly number[]> {
  const tables = await Promise.all([protocol, `${protocol}6`].map(read));
  const local = new Set([...forms(ip)].map((address) => `${address}:${hex(port, 4)}`));
  return tables.flatMap((table) =>
    table
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, address, , state]) => state === LISTENING[protocol] && local.has(address ?? ''))
      .map((columns) => Number(columns[7])),
  );
}

/** As IPv4, as IPv4 in IPv6, and the two that stand for every address. */
function forms(ip: string): readonly string[] {
  const word = ip
    .split('.')
    .reverse()
    .map((byte) => hex(Number(byte), 2))
    .join('');
  return [word, `0000000000000000FFFF0000${word}`, '0'.repeat(8), '0'.repeat(32)];
}

function hex(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, '0');
}

async function read(table: string): Promise<string> {
  // Without IPv6 in the kernel there is no tcp6.
  return readFile(`/proc/self/net/${table}`, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  });
}
