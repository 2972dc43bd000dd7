import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { ownQemuLab } from '../support/own-qemu-lab.js';
import { ON_BRIDGE, runOnBridge } from '../support/tap-namespace.js';

test('a guest with a virtio card that was prepared behind a wire answers behind its bridge', async () => {
  await using lab = await ownQemuLab(AbortSignal.timeout(590_000));
  const folder = join(lab.folder, 'bridged');
  await mkdir(folder);
  await chmod(folder, 0o711);
  expect(await runOnBridge(folder, JSON.stringify(lab.machine('tapped')))).toEqual(ON_BRIDGE);
}, 600_000);
