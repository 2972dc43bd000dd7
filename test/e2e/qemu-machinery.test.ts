import { appendFile, chmod, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { SandboxError } from '#domain/errors.js';
import { probeBoot } from '#machinery/adapters/qemu/accelerator.js';
import { FILES, verifyTemplate, type Template } from '#machinery/adapters/qemu/parts.js';
import { findQemu } from '#machinery/adapters/qemu/program.js';
import { defaultMachines, qemuMachinery, type QemuSetup } from '#machinery/adapters/qemu/qemu.js';
import { ensureTemplate, type TemplateWanted } from '#machinery/adapters/qemu/template.js';
import { aborted, machineryContract } from '../contract/machinery.contract.js';
import { guestLab, type GuestLab } from '../support/guest-lab.js';

/** The image may have to be built, and a guest boots for half a minute on a busy host. */
jest.setTimeout(600_000);

const patience = () => AbortSignal.timeout(120_000);

/** Files a run leaves in its guest: in memory, and in the overlay over the read-only root. */
const LEFT = '/tmp/left /usr/bin/left';

let lab: GuestLab;

async function pidOf(machine: string): Promise<number> {
  const record = await readFile(join(lab.wanted.runDir, 'machines', `${machine}.json`), 'utf8');
  return (JSON.parse(record) as { pid: number }).pid;
}

function open(template: Template) {
  const setup = { template, machines: defaultMachines(2), runDir: lab.wanted.runDir };
  const warm: QemuSetup['warm'] = ({ name }, by) => lab.agent(name).waitReady(by);
  return qemuMachinery({ ...setup, warm, wire: ({ name }) => lab.networks.wire(name) }, patience());
}

/** A file in the guest, when it is there: the agent does not wait for what it executes. */
async function eventually(name: string, path: string): Promise<string> {
  const signal = patience();
  for (;;) {
    try {
      const content = (await lab.agent(name).retrieve(path, 100, signal)).toString();
      if (content !== '') return content; // the shell makes it, then writes it
    } catch (error) {
      if (!(error instanceof SandboxError) || error.code !== 'AGENT_REFUSED') throw error;
    }
    await sleep(50, undefined, { signal });
  }
}

// All in one block: what the block closes is closed before this file is looked at for leaks.
describe('qemu', () => {
  beforeAll(async () => {
    lab = await guestLab(AbortSignal.timeout(590_000));
  });

  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
  });

  describe.each(['mapped', 'loadvm'] as const)('real guests restored by %s', (form) => {
    let template: Template;
    let machinery: Awaited<ReturnType<typeof open>>;

    beforeAll(async () => {
      // The check of a mapped template that does not answer is what makes `loadvm` take its place.
      let fail = form === 'loadvm';
      const waitReady: TemplateWanted['waitReady'] = async (machine, by) => {
        if (machine === 'template-check' && fail) {
          fail = false;
          throw new Error('no answer');
        }
        await lab.wanted.waitReady(machine, by);
      };
      template = await ensureTemplate(
        { ...lab.wanted, dir: join(lab.dir, form), waitReady },
        AbortSignal.timeout(590_000),
      );
      machinery = await open(template);
    });

    afterAll(async () => {
      await machinery[Symbol.asyncDispose]();
    });

    test('the template is of the form that works, and its files are what was saved', async () => {
      expect(template.saved.form).toBe(form);
      await verifyTemplate(template, 'whole', patience());
      const said = lab.progress.filter((line) => line.includes('using loadvm'));
      expect(said).toHaveLength(form === 'loadvm' ? 1 : 0);
    });

    machineryContract(`qemu (${form})`, () => ({
      machinery,
      lose: async (name) => void process.kill(await pidOf(name), 'SIGKILL'),
    }));

    test('the agent answers, and nothing of one run is there in the next or beside it', async () => {
      const [first, second] = machinery.machines;
      if (!first || !second) throw new Error('two machines are needed');
      await machinery.start(first, patience());
      const agent = lab.agent(first.name);
      await agent.waitReady(patience());
      await agent.execute(`sh -c 'for f in ${LEFT}; do echo malware > $f; done'`, '/', patience());
      for (const path of LEFT.split(' ')) expect(await eventually(first.name, path)).toBe('malware\n');

      await machinery.start(second, patience());
      await lab.agent(second.name).waitReady(patience());
      await machinery.stop(first, patience());
      await machinery.prepare(first, patience());
      await machinery.start(first, patience());
      await agent.waitReady(patience());
      for (const { name } of [first, second]) {
        for (const path of LEFT.split(' ')) {
          await expect(lab.agent(name).retrieve(path, 100, patience())).rejects.toThrow();
        }
      }
      await machinery.stop(first, patience());
      await machinery.stop(second, patience());
      await verifyTemplate(template, 'whole', patience());
    });

    test('QEMU is unprivileged, confined, and knows no file by name', async () => {
      const [machine] = machinery.machines;
      if (!machine) throw new Error('a machine is needed');
      await machinery.prepare(machine, patience());
      const status = await readFile(`/proc/${await pidOf(machine.name)}/status`, 'utf8');
      expect(status).toMatch(/^Uid:\t(?!0\t)/m);
      expect(status).toMatch(/^NoNewPrivs:\t1$/m);
      expect(status).toMatch(/^Seccomp:\t2$/m);
      expect(status).toMatch(/^CapEff:\t0+$/m);
      await machinery.stop(machine, patience());
      expect(await readdir(join(lab.wanted.runDir, 'machines'))).toEqual([]);
    });

    test('a kernel panic is noticed as such', async () => {
      const [machine] = machinery.machines;
      if (!machine) throw new Error('a machine is needed');
      await machinery.start(machine, patience());
      const lost = machinery.lost(machine);
      const agent = lab.agent(machine.name);
      await agent.waitReady(patience());
      // It dies in the middle of the answer.
      const answer = agent
        .execute("sh -c 'echo c > /proc/sysrq-trigger'", '/', patience())
        .catch(() => undefined);
      await aborted(lost);
      await answer;
      expect(lost.reason).toMatchObject({ code: 'GUEST_LOST', message: expect.stringContaining('panicked') });
      expect(['off', 'error']).toContain(await machinery.state(machine));
      await machinery.stop(machine, patience());
    });

    test('eight restores and kills at once leave nothing', async () => {
      const many = await qemuMachinery(
        {
          template,
          machines: defaultMachines(4),
          runDir: lab.wanted.runDir,
          wire: ({ name }) => lab.networks.wire(name),
        },
        patience(),
      );
      for (let round = 0; round < 2; round++) {
        await Promise.all(many.machines.map((machine) => many.start(machine, patience())));
        await Promise.all(many.machines.map(({ name }) => lab.agent(name).waitReady(patience())));
        await Promise.all(many.machines.map((machine) => many.stop(machine, patience())));
      }
      await many[Symbol.asyncDispose]();
      expect(await readdir(join(lab.wanted.runDir, 'machines'))).toEqual([]);
    });
  });

  describe('templates', () => {
    test('the second time it is there; damage is noticed', async () => {
      const wanted = { ...lab.wanted, dir: join(lab.dir, 'mapped') };
      const before = lab.progress.length;
      const template = await ensureTemplate(wanted, patience());
      expect(lab.progress.slice(before)).toEqual([]);
      const ram = join(template.folder, FILES.ram);
      await chmod(ram, 0o600);
      await appendFile(ram, 'x');
      await expect(open({ ...template })).rejects.toMatchObject({ code: 'TEMPLATE_FAILED' });
    });

    test('a guest that never becomes ready is TEMPLATE_FAILED, and nothing half-made stays', async () => {
      const dir = join(lab.dir, 'never');
      const waitReady = () => Promise.reject(new Error('the agent is dead'));
      await expect(ensureTemplate({ ...lab.wanted, dir, waitReady }, patience())).rejects.toMatchObject({
        code: 'TEMPLATE_FAILED',
      });
      expect(await readdir(dir)).toEqual([]);
    });
  });

  test('the probe sees the guest kernel reach user mode', async () => {
    await probeBoot(lab.wanted.image, await findQemu(patience()), 'tcg', patience());
  });
});
