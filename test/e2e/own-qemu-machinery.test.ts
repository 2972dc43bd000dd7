import { once } from 'node:events';
import { appendFile, chmod, copyFile, readFile, readdir, rm } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { SandboxError } from '#domain/errors.js';
import type { OwnQemuMachine } from '#machinery/adapters/qemu/own/machine.js';
import { ownQemuMachinery, type OwnQemuMachinery } from '#machinery/adapters/qemu/own/own.js';
import { prepareMachine } from '#machinery/adapters/qemu/own/prepare.js';
import { machineryContract } from '../contract/machinery.contract.js';
import { takeSnapshot } from '../support/operator-snapshot.js';
import { digestOf, ownQemuLab, touch, type OwnQemuLab } from '../support/own-qemu-lab.js';

/** The guest's image may have to be built, and a guest boots for half a minute on a busy host. */
jest.setTimeout(600_000);

const patience = () => AbortSignal.timeout(120_000);
const SNAPSHOT = 'clean';

let lab: OwnQemuLab;

async function pidOf(machine: string): Promise<number> {
  const record = await readFile(join(lab.setup.runDir, 'machines', `${machine}.json`), 'utf8');
  return (JSON.parse(record) as { pid: number }).pid;
}

function prepare(machine: OwnQemuMachine): Promise<string> {
  const { setup, waitReady } = lab;
  return prepareMachine({ ...setup, machine, waitReady, onProgress: () => undefined }, patience());
}

/** Runs a line of Python in the guest and waits for the file that it writes. */
async function inGuest(machinery: OwnQemuMachinery, machine: OwnQemuMachine, lines: string): Promise<string> {
  const agent = lab.agentOf(machine, machinery.agent(machine));
  await agent.waitReady(patience());
  const script = `import traceback\ntry:\n  def f():\n${lines.replaceAll(/^/gm, '    ')}\n  r=str(f())\nexcept BaseException as e: r=repr(e)\nopen('/tmp/answer.new','w').write(r+'.')\nimport os\nos.rename('/tmp/answer.new','/tmp/answer')`;
  const encoded = Buffer.from(script).toString('base64');
  await agent.execute(`sh -c "rm -f /tmp/answer; echo ${encoded} | base64 -d | python3 -"`, '/', patience());
  const signal = patience();
  for (;;) {
    try {
      return (await agent.retrieve('/tmp/answer', 1000, signal)).toString().slice(0, -1);
    } catch (error) {
      if (!(error instanceof SandboxError) || error.code !== 'AGENT_REFUSED') throw error;
    }
    await sleep(50, undefined, { signal });
  }
}

function spareRoom(how: 'read' | 'write'): string {
  const work = how === 'write' ? `os.pwrite(d, b'malware', ${lab.spareAt}); os.fsync(d)` : '';
  return [
    ...['import os', `d = os.open('/dev/vda', os.O_RDWR)`, work, `os.posix_fadvise(d, 0, 0, 4)`],
    `return os.pread(d, 7, ${lab.spareAt}).hex()`,
  ].join('\n');
}

const MARK = () => ({ marker: 'malware', at: lab.spareAt });
const WRITTEN = Buffer.from('malware').toString('hex');
const UNTOUCHED = '00'.repeat(7);

describe('own qemu machines', () => {
  beforeAll(async () => {
    lab = await ownQemuLab(AbortSignal.timeout(590_000));
  });

  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
  });

  describe('an image without a snapshot, behind a wire', () => {
    let machine: OwnQemuMachine;
    let machinery: OwnQemuMachinery;
    let before: string;

    beforeAll(async () => {
      machine = lab.machine('own1');
      before = await digestOf(lab.disk);
      machinery = await ownQemuMachinery({ ...lab.setup, machines: [machine] }, patience());
      await expect(machinery.prepare(machine, patience())).rejects.toMatchObject({
        code: 'SETUP_MISSING',
        message: expect.stringContaining('malkoha machine prepare own1'),
      });
      await prepare(machine);
    });

    afterAll(async () => {
      await machinery[Symbol.asyncDispose]();
      expect(await readdir(join(lab.setup.runDir, 'machines'))).toEqual([]);
    });

    machineryContract('own qemu (template)', () => ({
      machinery,
      lose: async (name) => void process.kill(await pidOf(name), 'SIGKILL'),
    }));

    test('what a guest writes to its disk is gone with it, and the image is as it was', async () => {
      await machinery.start(machine, patience());
      expect(await inGuest(machinery, machine, spareRoom('write'))).toBe(WRITTEN);
      await machinery.stop(machine, patience());
      await machinery.start(machine, patience());
      expect(await inGuest(machinery, machine, spareRoom('read'))).toBe(UNTOUCHED);
      await machinery.stop(machine, patience());
      expect(await digestOf(lab.disk)).toBe(before);
    });

    test('QEMU is unprivileged and confined', async () => {
      await machinery.prepare(machine, patience());
      const status = await readFile(`/proc/${await pidOf(machine.name)}/status`, 'utf8');
      expect(status).toMatch(/^Uid:\t(?!0\t)/m);
      expect(status).toMatch(/^NoNewPrivs:\t1$/m);
      expect(status).toMatch(/^Seccomp:\t2$/m);
      await machinery.stop(machine, patience());
    });

    test('a machine whose image has changed says so; when it is as it was, it works', async () => {
      await machinery.prepare(machine, patience());
      await touch(lab.disk, '--date=+1 second');
      await machinery.stop(machine, patience());
      await expect(machinery.prepare(machine, patience())).rejects.toMatchObject({
        code: 'SETUP_MISSING',
        message: expect.stringMatching(/disk\.qcow2 has changed since .*malkoha machine prepare own1/),
      });
      await touch(lab.disk, `--reference=${lab.reference}`);
      await machinery.prepare(machine, patience());
      await machinery.stop(machine, patience());
    });

    test('a damaged template is refused, with what to do', async () => {
      const disk = join(lab.setup.guestsDir, 'machines', 'own1', 'disk.qcow2');
      await using own = await ownQemuMachinery({ ...lab.setup, machines: [machine] }, patience());
      await chmod(disk, 0o600);
      await appendFile(disk, 'x');
      await expect(own.prepare(machine, patience())).rejects.toMatchObject({
        code: 'TEMPLATE_FAILED',
        message: expect.stringMatching(/disk\.qcow2 is not what was saved.*malkoha machine prepare own1/),
      });
      // What was opened before is held, wherever its name leads now.
      await rm(dirname(disk), { recursive: true });
      await machinery.start(machine, patience());
      await lab.agentOf(machine, machinery.agent(machine)).waitReady(patience());
      await machinery.stop(machine, patience());
    });
  });

  describe("an image with a snapshot, behind QEMU's user network", () => {
    let image: string;
    let before: string;
    let machine: OwnQemuMachine;
    let machinery: OwnQemuMachinery;
    let results: Server;
    let received: string[];
    let onProgress: (line: string) => void = () => undefined;

    beforeAll(async () => {
      image = join(lab.folder, 'snapshot.qcow2');
      await copyFile(lab.disk, image);
      await takeSnapshot(lab.machine('snap1', { image }), SNAPSHOT, MARK(), patience());
      before = await digestOf(image);
      received = [];
      results = createServer((socket) => {
        let text = '';
        socket.on('data', (chunk) => (text += chunk.toString()));
        socket.on('end', () => {
          received.push(text);
          socket.end('thanks');
        });
        socket.on('error', () => socket.destroy());
      }).listen(0, '127.0.0.1');
      await once(results, 'listening');
      const resultPort = async () => (results.address() as AddressInfo).port;
      machine = lab.machine('snap1', { image, snapshot: SNAPSHOT, interface: 'user' });
      machinery = await ownQemuMachinery(
        { ...lab.setup, resultPort, machines: [machine], onProgress: (line) => onProgress(line) },
        patience(),
      );
    });

    afterAll(async () => {
      await machinery[Symbol.asyncDispose]();
      results.close();
    });

    machineryContract('own qemu (snapshot)', () => ({
      machinery,
      lose: async (name) => void process.kill(await pidOf(name), 'SIGKILL'),
    }));

    test('the guest is the one of the snapshot, its disk too, whatever was done to either', async () => {
      await machinery.start(machine, patience());
      expect(await inGuest(machinery, machine, spareRoom('read'))).toBe(WRITTEN); // takeSnapshot() did that
      await machinery.stop(machine, patience());
      expect(await digestOf(image)).toBe(before);
    });

    test('an image that has changed is gone to its snapshot again', async () => {
      await machinery.prepare(machine, patience());
      const about = join(lab.setup.guestsDir, 'machines', machine.name, 'template.json');
      const made = await readFile(about, 'utf8');
      await touch(image, '--date=+1 second');
      await machinery.prepare(machine, patience());
      expect(await machinery.state(machine)).toBe('paused');
      expect(await readFile(about, 'utf8')).not.toBe(made);
      await machinery.stop(machine, patience());
    });

    test('a template that takes longer than its caller waits is made all the same', async () => {
      await touch(image, '--date=+2 seconds');
      const begun: string[] = [];
      const pool = new AbortController();
      onProgress = (line) => {
        begun.push(line);
        pool.abort(new DOMException('took longer than 1 ms', 'TimeoutError'));
      };
      await expect(machinery.prepare(machine, pool.signal)).rejects.toMatchObject({
        code: 'MACHINE_START_FAILED',
        message: expect.stringContaining('snap1: its template is being made'),
      });
      await machinery.prepare(machine, patience());
      expect(await machinery.state(machine)).toBe('paused');
      expect(begun.filter((line) => line.startsWith('going to its snapshot'))).toHaveLength(1);
      await machinery.stop(machine, patience());
    });

    test('its results arrive, several at once, and it reaches nothing else', async () => {
      const { port } = results.address() as AddressInfo;
      await machinery.start(machine, patience());
      const send = [
        'import socket',
        "ss = [socket.create_connection(('10.0.2.2', 2042), 20) for _ in range(3)]",
        "for n, s in enumerate(ss): s.sendall(b'result %d ' % n + b'x' * 300000); s.shutdown(1)",
        'answers = [s.recv(100).decode() for s in ss]',
        'def reach(ip, port):',
        '  try: socket.create_connection((ip, port), 3); return True',
        '  except OSError: return False',
        `return answers, reach('10.0.2.2', ${port}), reach('10.0.2.253', ${port}), reach('127.0.0.1', ${port})`,
      ].join('\n');
      const answer = await inGuest(machinery, machine, send);
      expect(answer).toBe("(['thanks', 'thanks', 'thanks'], False, False, False)");
      expect(received.map((text) => text.slice(0, 8)).sort()).toEqual(['result 0', 'result 1', 'result 2']);
      expect(received.map((text) => text.length)).toEqual(Array(3).fill(300_009));
      await machinery.stop(machine, patience());
    });

    test('its packets are kept, from the restore on, also when it is stopped first', async () => {
      const path = join(lab.folder, 'dump.pcap');
      await machinery.prepare(machine, patience());
      const capture = await machinery.capture(machine, path, patience());
      await machinery.start(machine, patience());
      await lab.agentOf(machine, machinery.agent(machine)).waitReady(patience());
      await machinery.stop(machine, patience());
      await capture.finish();
      const pcap = await readFile(path);
      expect(pcap.readUInt32LE(0)).toBe(0xa1b2c3d4);
      expect(pcap.includes('GET ')).toBe(true);

      await using second = await machinery.capture(machine, `${path}.2`, patience());
      await expect(machinery.capture(machine, path, patience())).rejects.toMatchObject({
        code: 'CAPTURE_FAILED',
      });
      await machinery.start(machine, patience());
      await lab.agentOf(machine, machinery.agent(machine)).waitReady(patience());
      await second.finish();
      expect((await readFile(`${path}.2`)).includes('GET ')).toBe(true);
      await machinery.stop(machine, patience());
    });

    test('where mapped memory does not do, loadvm does', async () => {
      const machineWithout = lab.machine('snap2', { image, snapshot: SNAPSHOT, interface: 'user' });
      let checks = 0;
      await prepareMachine(
        {
          ...lab.setup,
          machine: machineWithout,
          onProgress: () => undefined,
          waitReady: async (one, agent, by) => {
            if (checks++ === 0) throw new Error('no answer');
            await lab.waitReady(one, agent, by);
          },
        },
        patience(),
      );
      await using own = await ownQemuMachinery({ ...lab.setup, machines: [machineWithout] }, patience());
      await own.prepare(machineWithout, patience());
      expect(await own.state(machineWithout)).toBe('paused');
      await own.start(machineWithout, patience());
      expect(await inGuest(own, machineWithout, spareRoom('read'))).toBe(WRITTEN);
      await own.stop(machineWithout, patience());
      expect(await digestOf(image)).toBe(before);
    });

    test('a snapshot of another machine is refused in the words of QEMU', async () => {
      const other = lab.machine('snap3', { image, snapshot: SNAPSHOT, memory: 192 });
      await using own = await ownQemuMachinery({ ...lab.setup, machines: [other] }, patience());
      await expect(own.prepare(other, patience())).rejects.toMatchObject({
        code: 'TEMPLATE_FAILED',
        message: expect.stringMatching(/snap3.*(Size mismatch|mach|length)/i),
      });
    });
  });
});
