import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { ON_BRIDGE, runOnBridge } from '../support/tap-namespace.js';

test('behind a bridge a machine has a tap of its own, open as long as it runs and gone with its lab', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tap-'));
  try {
    await chmod(folder, 0o711);
    await promisify(execFile)('qemu-img', ['create', '-q', '-f', 'qcow2', join(folder, 'disk.qcow2'), '16M']);
    expect(await runOnBridge(folder)).toEqual(ON_BRIDGE);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
