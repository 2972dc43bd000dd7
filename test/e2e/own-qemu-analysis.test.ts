import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { z } from 'zod';
import type { Report } from '#domain/report.js';
import { dropperIsSeen } from '../support/dropper.js';
import { makeHome, malkoha, SAMPLES, start, type Home } from '../support/malkoha.js';
import { digestOf, ownQemuLab, type OwnQemuLab } from '../support/own-qemu-lab.js';

/** The guest's image may have to be built, and everything runs emulated. */
jest.setTimeout(900_000);

const result = z.object({ task_id: z.int(), status: z.string(), report: z.string() });

describe("analyses on an operator's own QEMU machines", () => {
  let lab: OwnQemuLab;
  let home: Home;
  let before: string;
  let wired: Report;

  beforeAll(async () => {
    lab = await ownQemuLab(AbortSignal.timeout(590_000));
    home = await makeHome();
    before = await digestOf(lab.disk);
    const { image, kernel, initrd, append = '' } = lab.machine('wired');
    const section = (name: string, network: string, ip: string) =>
      `[${name}]\nimage = ${image}\nkernel = ${kernel}\ninitrd = ${initrd}\nmemory = 512M\nplatform = linux\n` +
      `append = ${append} address=${ip}/24 gateway=10.0.2.2\nip = ${ip}\nresultserver_ip = 10.0.2.2\n` +
      `options = virtio\ninterface = ${network}\n`;
    const sections = [section('wired', 'malkoha', '10.0.2.15'), section('confined', 'user', '10.0.2.16')];
    const conf = `[qemu]\nmachines = wired, confined\n${sections.join('')}`;
    await writeFile(join(home.dir, 'conf/qemu.conf'), conf);
  });

  afterAll(async () => {
    await home[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
  });

  test('one that was never prepared says what to do', async () => {
    const waiting = start(home, 'analyze', join(SAMPLES, 'hello.py'), '--machine', 'wired');
    await waiting.said(/wired does not work: .*malkoha machine prepare wired/);
    waiting.process.kill('SIGINT');
    expect(await waiting.ended).toMatchObject({ code: 130 });
  });

  test('prepared by the command, it gives a report', async () => {
    const prepared = await malkoha(home, 'machine', 'prepare', 'wired');
    expect({ code: prepared.code, stderr: prepared.stderr }).toMatchObject({ code: 0 });
    const { code, stdout, stderr } = await malkoha(
      home,
      ...['analyze', join(SAMPLES, 'dropper.sh'), '--machine', 'wired', '--json'],
    );
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    wired = JSON.parse(await readFile(result.parse(JSON.parse(stdout)).report, 'utf8')) as Report;
    expect(wired.info.machine).toMatchObject({ name: 'wired', manager: 'qemu' });
  });

  dropperIsSeen(() => wired);

  test('behind the user-mode network it runs too: its results and its packets arrive, and nothing else gets out', async () => {
    expect(await malkoha(home, 'machine', 'prepare', 'confined')).toMatchObject({ code: 0 });
    const { code, stdout, stderr } = await malkoha(
      home,
      ...['analyze', join(SAMPLES, 'dropper.sh'), '--machine', 'confined', '--json'],
    );
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    const { report } = result.parse(JSON.parse(stdout));
    const confined = JSON.parse(await readFile(report, 'utf8')) as Report;
    expect(confined.dropped?.map(({ filepath }) => filepath)).toContain('/tmp/.x/accounts.txt');
    expect(confined.network?.http).toEqual([]);
    expect(confined.network?.dns.map(({ request }) => request)).toContain('update.example-cdn.test');
    expect((await stat(join(report, '../../dump.pcap'))).size).toBeGreaterThan(24);
  });

  test('the image is as it was', async () => {
    expect(await digestOf(lab.disk)).toBe(before);
  });
});
