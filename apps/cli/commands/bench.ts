import { spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SandboxError } from '#domain/errors.js';
import { projectRoot } from '../root.js';

export async function run(args: readonly string[]): Promise<number> {
  const dir = join(projectRoot(), 'dist', 'bench');
  const names = (await readdir(dir))
    .filter((file) => /^[\w-]+\.js$/.test(file))
    .map((file) => file.slice(0, -'.js'.length))
    .sort();
  const [name, ...rest] = args;
  if (name === undefined) {
    process.stdout.write(`${names.join('\n')}\n`);
    return 0;
  }
  if (!names.includes(name))
    throw new SandboxError(
      'USAGE',
      `there is no benchmark ${JSON.stringify(name)}; there are ${names.join(', ')}`,
    );
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--enable-source-maps', join(dir, `${name}.js`), ...rest], {
      stdio: 'inherit',
    });
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}
