import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';

const run = promisify(execFile);
const support = (name: string) => fileURLToPath(new URL(`../support/${name}`, import.meta.url));

test('behind a bridge a machine has a tap of its own, open as long as it runs and gone with its lab', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tap-'));
  try {
    await chmod(folder, 0o711);
    await run('qemu-img', ['create', '-q', '-f', 'qcow2', join(folder, 'disk.qcow2'), '16M']);
    const { stdout } = await run(
      'unshare',
      [
        ...['--net', '--mount', 'sh', '-c'],
        // The interfaces that are looked at are those of this network.
        'mount -t sysfs sysfs /sys && ip link add br0 type bridge && ip link set br0 up && exec "$@"',
        ...['sh', process.execPath, '--import', support('ts-register.js'), support('tap-run.ts'), folder],
      ],
      { env: { ...process.env, NODE_OPTIONS: '' }, timeout: 60_000 },
    );
    expect(JSON.parse(stdout)).toEqual({
      agent: { host: '192.168.55.2', port: 8000 },
      ...{ prepared: null, started: 'br0', carrier: '1', ended: null },
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
