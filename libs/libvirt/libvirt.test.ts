import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { LibvirtConnectionLost } from './error.js';
import type { Frame } from './frame.js';
import { Libvirt, type LibvirtOptions } from './libvirt.js';
import { procedures } from './procedures.js';
import { FakePeer, type Answer } from './server.fake.js';
import { XdrWriter } from './xdr.js';

const never = new AbortController().signal;
const HOSTNAME = procedures.hostname.number;
const REVERT = procedures.revert.number;
const DOMAIN = { name: 'win10', uuid: Buffer.alloc(16, 7), id: 3 };
const SNAPSHOT = { name: 'clean', domain: DOMAIN };
const NAME = new XdrWriter().string('lab').end();

/** A libvirtd on a unix socket that does what the script says. */
async function serve(script: Readonly<Record<number, Answer>> = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'fake-'));
  const peers: FakePeer[] = [];
  const server = createServer((socket) => {
    peers.push(new FakePeer(socket, { [HOSTNAME]: (frame, peer) => peer.reply(frame, NAME), ...script }));
  }).listen(join(dir, 'sock'));
  await once(server, 'listening');
  return {
    peers,
    connect: (options: LibvirtOptions = {}, signal = never) =>
      Libvirt.connect(`qemu:///system?socket=${join(dir, 'sock')}`, options, signal),
    async [Symbol.asyncDispose]() {
      for (const { stream } of peers) stream.destroy();
      server.close();
      await once(server, 'close');
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await turn();
}

test('what must get through does not wait behind what is stuck', async () => {
  const stuck: Frame[] = [];
  await using server = await serve({
    [REVERT]: (frame) => void stuck.push(frame),
    [procedures.destroy.number]: (frame, peer) => peer.reply(frame),
    [procedures.resume.number]: (frame, peer) => peer.reply(frame),
  });
  await using libvirt = await server.connect();
  const cancel = new AbortController();
  const reverts = Array.from({ length: 9 }, () =>
    libvirt.revert(SNAPSHOT, { then: 'paused' }, cancel.signal),
  );
  const rejected = expect(Promise.all(reverts)).rejects.toThrow('enough');
  await until(() => stuck.length === 4);
  await libvirt.destroy(DOMAIN, never);
  await libvirt.resume(DOMAIN, never);
  expect(await libvirt.hostname(never)).toBe('lab');
  expect(stuck).toHaveLength(4);
  cancel.abort(new Error('enough'));
  await rejected;
  expect(server.peers).toHaveLength(3);
});

test('domains are addressed by name and UUID, never by the id of a start', async () => {
  const asked: Frame[] = [];
  await using server = await serve({
    [REVERT]: (frame, peer) => {
      asked.push(frame);
      peer.reply(frame);
    },
  });
  await using libvirt = await server.connect();
  await libvirt.revert(SNAPSHOT, { then: 'paused', force: true }, never);
  const wanted = new XdrWriter()
    .string('clean')
    .string('win10')
    .opaque(DOMAIN.uuid)
    .int(-1)
    .uint(2 | 4)
    .end();
  expect(asked.map(({ body }) => body)).toEqual([wanted]);
});

test('a libvirtd that falls silent is lost: calls are told, and the next connection is used', async () => {
  let mute = false;
  await using server = await serve({
    [HOSTNAME]: (frame, peer) => (mute ? undefined : peer.reply(frame, NAME)),
  });
  await using libvirt = await server.connect({ pingMs: 3 });
  const back = new Promise<void>((resolve) => libvirt.onReconnect(resolve));
  mute = true; // pings are not answered by the fake either
  await expect(libvirt.hostname(never)).rejects.toThrow(LibvirtConnectionLost);
  expect(libvirt.connected).toBe(false);
  await expect(libvirt.hostname(never)).rejects.toThrow('did not answer 5 pings');
  mute = false;
  await back;
  expect(await libvirt.hostname(never)).toBe('lab');
});

test('one lost connection closes the others, and all are made anew', async () => {
  await using server = await serve();
  await using libvirt = await server.connect();
  let reconnects = 0;
  libvirt.onReconnect(() => (reconnects += 1));
  for (const round of [1, 2]) {
    server.peers.at(-1)?.stream.destroy();
    await until(() => reconnects === round);
    expect(await libvirt.hostname(never)).toBe('lab');
  }
  expect(server.peers).toHaveLength(9);
  expect(server.peers.filter(({ stream }) => !stream.destroyed)).toHaveLength(3);
});

test('closing while it reconnects ends that', async () => {
  const server = await serve();
  const libvirt = await server.connect();
  await server[Symbol.asyncDispose]();
  await until(() => !libvirt.connected);
  await libvirt[Symbol.asyncDispose]();
  await expect(libvirt.hostname(never)).rejects.toThrow('it was closed');
});

test('polkit is asked where it is wanted; its refusal says what to do', async () => {
  let granted = true;
  const polkit: Readonly<Record<number, Answer>> = {
    66: (frame, peer) => peer.reply(frame, new XdrWriter().uint(1).int(2).end()),
    70: (frame, peer) => {
      if (granted) peer.reply(frame, new XdrWriter().int(1).end());
      else peer.refuse(frame, 45, 'authentication failed: access denied by policy');
    },
  };
  await using server = await serve(polkit);
  {
    await using libvirt = await server.connect();
    expect(await libvirt.hostname(never)).toBe('lab');
  }
  granted = false;
  await expect(server.connect()).rejects.toMatchObject({
    name: 'LibvirtUnreachable',
    message: expect.stringContaining('denied by policy: add the user to the group libvirt') as unknown,
  });
});

test('a libvirtd that wants a password, and one that hangs up', async () => {
  await using sasl = await serve({
    66: (frame, peer) => peer.reply(frame, new XdrWriter().uint(1).int(1).end()),
  });
  await expect(sasl.connect()).rejects.toMatchObject({
    name: 'LibvirtUnreachable',
    message: expect.stringContaining('SASL') as unknown,
  });
  await using rude = await serve({ 66: (_frame, peer) => void peer.stream.destroy() });
  await expect(rude.connect()).rejects.toMatchObject({ name: 'LibvirtUnreachable' });
});

test('a connect that is cancelled leaves nothing open', async () => {
  await using server = await serve({ 66: () => undefined });
  const cancel = new AbortController();
  const connecting = server.connect({}, cancel.signal);
  await until(() => server.peers.length === 1);
  cancel.abort(new Error('enough'));
  await expect(connecting).rejects.toThrow('enough');
  await until(() => server.peers.every(({ stream }) => stream.destroyed));
});

test("QEMU's answer is JSON, or said not to be", async () => {
  let answer = '{"return":{"status":"running"}}';
  await using server = await serve({
    [procedures.monitorCommand.number]: (frame, peer) => {
      if (frame.program === procedures.monitorCommand.program)
        peer.reply(frame, new XdrWriter().string(answer).end());
      else peer.reply(frame);
    },
  });
  await using libvirt = await server.connect();
  const ask = () => libvirt.monitorCommand(DOMAIN, { execute: 'query-status' }, never);
  expect(await ask()).toEqual({ return: { status: 'running' } });
  answer = 'no';
  await expect(ask()).rejects.toThrow('no JSON');
});
