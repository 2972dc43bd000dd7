import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { LIBVIRT_CODES, LibvirtConnectionLost } from '#libvirt/error.js';
import { Libvirt } from '#libvirt/libvirt.js';
import type { Domain, LifecycleEvent } from '#libvirt/layouts.js';
import { startSessionLibvirtd, type SessionLibvirtd } from '../support/libvirtd-session.js';
import { until } from '../support/until.js';

/** libs/libvirt against a real libvirtd and its make-believe hypervisor. */
const never = new AbortController().signal;

describe('the libvirt client', () => {
  let server: SessionLibvirtd;
  let libvirt: Libvirt;
  let domain: Domain;

  beforeAll(async () => {
    server = await startSessionLibvirtd();
    libvirt = await Libvirt.connect(server.uri, {}, never);
    domain = await libvirt.domain('test', never);
  });

  afterAll(async () => {
    await libvirt[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  test('the host and its domains', async () => {
    expect(await libvirt.libVersion(never)).toBeGreaterThanOrEqual(9_000_000);
    expect(await libvirt.hostname(never)).not.toBe('');
    expect((await libvirt.domains(never)).map(({ name }) => name)).toEqual(['test']);
    expect(domain).toMatchObject({ name: 'test' });
    expect(domain.uuid).toHaveLength(16);
    expect((await libvirt.domainByUuid(domain.uuid, never)).name).toBe('test');
    expect(await libvirt.xml(domain, never)).toContain('<name>test</name>');
    expect(await libvirt.info(domain, never)).toMatchObject({
      state: 'running',
      memoryKiB: 2_097_152n,
      cpus: 2,
    });
  });

  test('the bridge of a network', async () => {
    expect(await libvirt.networkBridge('default', never)).toBe('virbr0');
    await expect(libvirt.networkBridge('nope', never)).rejects.toMatchObject({
      code: LIBVIRT_CODES.noNetwork,
    });
  });

  test("what is not there has its code and libvirt's words", async () => {
    await expect(libvirt.domain('nope', never)).rejects.toMatchObject({
      name: 'LibvirtError',
      code: 42,
      domain: 12,
      level: 2,
      procedure: 23,
      message: 'Domain not found',
    });
    await expect(libvirt.domainByUuid(Buffer.alloc(16), never)).rejects.toMatchObject({ code: 42 });
    await expect(libvirt.snapshot(domain, 'x', never)).rejects.toMatchObject({
      code: 72,
      message: "Domain snapshot not found: no domain snapshot with matching name 'x'",
    });
    await expect(libvirt.monitorCommand(domain, { execute: 'query-status' }, never)).rejects.toMatchObject({
      code: 3,
    });
    await expect(libvirt.coreDump(domain, '/dev/null', { memoryOnly: true }, never)).rejects.toMatchObject({
      code: 8,
    });
  });

  test('a domain is ended, started paused, resumed and suspended, and events tell it', async () => {
    const events: string[] = [];
    const off = libvirt.onLifecycle(({ domain: { name }, event }: LifecycleEvent) =>
      events.push(`${name} ${event}`),
    );
    await libvirt.destroy(domain, never);
    expect((await libvirt.state(domain, never)).state).toBe('off');
    await expect(libvirt.destroy(domain, never)).rejects.toMatchObject({ code: 55 });
    // Of the drivers at hand only QEMU's can start a domain paused.
    await expect(libvirt.start(domain, { paused: true }, never)).rejects.toMatchObject({
      message: expect.stringContaining('unsupported flags (0x1)') as unknown,
    });
    await libvirt.start(domain, {}, never);
    expect(await libvirt.state(domain, never)).toEqual({ state: 'running', reason: 1 });
    await libvirt.suspend(domain, never);
    expect((await libvirt.state(domain, never)).state).toBe('paused');
    await libvirt.resume(domain, never);
    await until(() => events.filter((event) => event === 'test resumed').length === 1);
    expect(events).toEqual(['test stopped', 'test started', 'test suspended', 'test resumed']);
    off();
    await libvirt.suspend(domain, never);
    await libvirt.resume(domain, never);
    expect(events).toHaveLength(4);
  });

  test('snapshots are taken, found, read, gone back to and deleted', async () => {
    expect(await libvirt.snapshots(domain, never)).toEqual([]);
    expect(await libvirt.currentSnapshot(domain, never)).toBe(null);
    const taken = await libvirt.snapshotCreate(
      domain,
      '<domainsnapshot><name>clean</name></domainsnapshot>',
      0,
      never,
    );
    expect(taken).toMatchObject({ name: 'clean', domain: { name: 'test' } });
    expect((await libvirt.snapshots(domain, never)).map(({ name }) => name)).toEqual(['clean']);
    expect(await libvirt.currentSnapshot(domain, never)).toMatchObject({ name: 'clean' });
    const found = await libvirt.snapshot(domain, 'clean', never);
    expect(await libvirt.snapshotXml(found, never)).toContain('<state>running</state>');
    for (const [then, state] of [
      ['paused', 'paused'],
      ['running', 'running'],
      ['snapshot', 'running'],
    ] as const) {
      await libvirt.revert(found, { then }, never);
      expect((await libvirt.state(domain, never)).state).toBe(state);
    }
    await libvirt.destroy(domain, never);
    await libvirt.revert(found, { then: 'paused', force: true }, never);
    expect((await libvirt.state(domain, never)).state).toBe('paused');
    await libvirt.resume(domain, never);
    await libvirt.snapshotDelete(found, never);
    expect(await libvirt.snapshots(domain, never)).toEqual([]);
  });

  test('a screenshot comes as a stream', async () => {
    const { mime, data } = await libvirt.screenshot(domain, never);
    expect(mime).toBe('image/png');
    expect(data.subarray(1, 4).toString()).toBe('PNG');
    expect(data.subarray(-8, -4).toString()).toBe('IEND');
  });

  test('a core dump, and a managed save that is not there', async () => {
    await libvirt.coreDump(domain, `${server.dir}/home/dump`, {}, never);
    expect(await libvirt.hasManagedSave(domain, never)).toBe(false);
    await libvirt.removeManagedSave(domain, never);
  });

  test('two clients see the same host', async () => {
    await using other = await Libvirt.connect(server.uri, {}, never);
    const events: string[] = [];
    other.onLifecycle(({ event }) => events.push(event));
    await libvirt.suspend(domain, never);
    expect((await other.state(domain, never)).state).toBe('paused');
    await libvirt.resume(domain, never);
    await until(() => events.length === 2);
    expect(events).toEqual(['suspended', 'resumed']);
  });

  test('who may only look changes nothing', async () => {
    await using looking = await Libvirt.connect(server.uri, { readOnly: true }, never);
    expect((await looking.state(domain, never)).state).toBe('running');
    await expect(looking.destroy(domain, never)).rejects.toMatchObject({ name: 'LibvirtError', code: 29 });
  });

  test('a thousand questions at once', async () => {
    const states = await Promise.all(Array.from({ length: 1000 }, () => libvirt.state(domain, never)));
    expect(states.every(({ state }) => state === 'running')).toBe(true);
  });

  test('a cancelled call rejects with its reason, and the connection stays', async () => {
    const cancel = new AbortController();
    const asked = libvirt.xml(domain, cancel.signal);
    cancel.abort(new Error('enough'));
    await expect(asked).rejects.toThrow('enough');
    expect((await libvirt.state(domain, never)).state).toBe('running');
  });

  test('nobody there, and nothing to open', async () => {
    await expect(
      Libvirt.connect('test:///default?socket=/nonexistent/sock', {}, never),
    ).rejects.toMatchObject({
      name: 'LibvirtUnreachable',
      message: '/nonexistent/sock: there is no such socket: is libvirtd installed and running?',
    });
    const other = `test:///nonexistent.xml?socket=${server.socket}`;
    await expect(Libvirt.connect(other, {}, never)).rejects.toMatchObject({ name: 'LibvirtUnreachable' });
  });

  test('after a crash of libvirtd calls are refused until it is back, and then go on', async () => {
    const events: string[] = [];
    libvirt.onLifecycle(({ event }) => events.push(event));
    const back = new Promise<void>((resolve) => libvirt.onReconnect(resolve));
    const pending = expect(
      Promise.all(Array.from({ length: 200 }, () => libvirt.xml(domain, never))),
    ).rejects.toThrow(LibvirtConnectionLost);
    await server.kill();
    await pending;
    expect(libvirt.connected).toBe(false);
    await expect(libvirt.state(domain, never)).rejects.toThrow(LibvirtConnectionLost);
    await server.restart();
    await back;
    expect((await libvirt.state(domain, never)).state).toBe('running');
    await libvirt.suspend(domain, never);
    await libvirt.resume(domain, never);
    await until(() => events.length === 2);
  });

  test('what was closed says so, and closing it twice is fine', async () => {
    const other = await Libvirt.connect(server.uri, {}, never);
    await other[Symbol.asyncDispose]();
    await expect(other.state(domain, never)).rejects.toThrow(LibvirtConnectionLost);
    await other[Symbol.asyncDispose]();
  });
});
