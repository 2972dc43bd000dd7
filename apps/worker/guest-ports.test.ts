import { expect, test } from '@jest/globals';
import { SandboxError } from '#domain/errors.js';
import type { ResultServer } from '#resultserver/resultserver.js';
import { listenForOwnGuests } from './guest-ports.js';

/** A result server that has these addresses, and where it was told to listen. */
function server(...addresses: readonly string[]) {
  const places: string[] = [];
  const listen = async (host: string, port: number) => {
    if (!addresses.includes(host))
      throw new SandboxError('CONFIG_INVALID', `cannot listen on ${host}:${port}: no such address`);
    places.push(`${host}:${port}`);
    return { host, port };
  };
  return { places, server: { listen } as unknown as ResultServer };
}

test('an address that is not ours may lead here by NAT: its port is listened at where [resultserver] says', async () => {
  const { places, server: one } = server('127.0.0.1', '127.0.0.2');
  const problems: string[] = [];
  const onProblem = (line: string): void => void problems.push(line);
  const wanted = ['127.0.0.1', '192.0.2.7', '192.0.2.8'].map((ip) => ({ ip, port: 2042 }));
  await listenForOwnGuests(one, wanted, { ip: '127.0.0.2', onProblem });
  expect(places).toEqual(['127.0.0.1:2042', '127.0.0.2:2042']);
  expect(problems).toEqual(
    ['192.0.2.7', '192.0.2.8'].map((ip) =>
      expect.stringMatching(`${ip}:2042.*listens at 127.0.0.2:2042 instead.*keep the guest's own address`),
    ),
  );
});

test('where neither is ours there is no way to take results', async () => {
  const { server: one } = server();
  const places = [{ ip: '192.0.2.7', port: 2042 }];
  await expect(
    listenForOwnGuests(one, places, { ip: '192.0.2.1', onProblem: () => {} }),
  ).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('192.0.2.1') });
});
