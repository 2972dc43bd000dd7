import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { transform } from '@swc/core';
import { aHost, type FakeHost, type FakeVm, type Fault, type VmState } from './model.js';

const PARTS = ['main', 'commands', 'machines', 'model', 'store', 'texts'];

export interface FakeVirtualBox extends AsyncDisposable {
  /** The VBoxManage to start. */
  readonly path: string;
  /** Everything it was asked so far but what tests asked. */
  calls(): Promise<readonly { readonly argv: readonly string[]; readonly locale: string | null }[]>;
  host(): Promise<FakeHost>;
  /** The machine of that name or UUID, as it is now. */
  vm(id: string): Promise<FakeVm>;
  change(changes: Partial<FakeHost>): Promise<void>;
  changeVm(id: string, changes: Partial<FakeVm>): Promise<void>;
  /** From now on these, and no others. */
  faults(...faults: readonly (Omit<Fault, 'times'> & Partial<Pick<Fault, 'times'>>)[]): Promise<void>;
  /** The machine goes away by itself (`poweroff`, `aborted`), or gets stuck (`gurumeditation`). */
  end(id: string, state: VmState): Promise<void>;
}

/** Makes a program of main.ts in a folder of its own, whose machines are `given`'s. */
export async function installVBoxManage(given: Partial<FakeHost> = {}): Promise<FakeVirtualBox> {
  const folder = await mkdtemp(join(tmpdir(), 'vboxmanage-'));
  const path = join(folder, 'VBoxManage');
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await Promise.all(PARTS.map((part) => compile(part, folder)));
  await writeFile(join(folder, 'state.json'), JSON.stringify(aHost(given)));
  await writeFile(join(folder, 'calls.log'), '');
  const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  await writeFile(
    path,
    `#!/bin/sh\nVBOX_USER_HOME=${quoted(folder)} exec ${quoted(process.execPath)} ${quoted(join(folder, 'main.js'))} "$@"\n`,
  );
  await chmod(path, 0o755);
  const ask = async (...words: readonly string[]) => {
    const { stdout } = await promisify(execFile)(path, ['internalcommands', ...words], {
      maxBuffer: 16 << 20,
    });
    return JSON.parse(stdout) as FakeHost;
  };
  const fake: FakeVirtualBox = {
    path,
    async calls() {
      const text = await readFile(join(folder, 'calls.log'), 'utf8');
      return text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as { argv: string[]; locale: string | null });
    },
    host: () => ask('host'),
    async vm(id) {
      const found = (await ask('host')).machines.find(({ name, uuid }) => name === id || uuid === id);
      if (found) return found;
      throw new Error(`the fake has no machine ${id}`);
    },
    async change(changes) {
      await ask('change', JSON.stringify(changes));
    },
    async changeVm(id, changes) {
      await ask('vm', JSON.stringify({ id, ...changes }));
    },
    faults: (...faults) => fake.change({ faults: faults.map((fault) => ({ times: null, ...fault })) }),
    async end(id, state) {
      await ask('end', JSON.stringify({ id, state }));
    },
    async [Symbol.asyncDispose]() {
      await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
  return fake;
}

async function compile(part: string, folder: string): Promise<void> {
  const filename = new URL(`${part}.ts`, import.meta.url);
  const { code } = await transform(await readFile(filename, 'utf8'), {
    filename: filename.pathname,
    ...{ swcrc: false, isModule: true, module: { type: 'es6' } },
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
  });
  await writeFile(join(folder, `${part}.js`), code);
}
