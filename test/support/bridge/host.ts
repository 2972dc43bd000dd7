import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { command, NamespaceGuest } from './guest.js';
import { play, type SceneName } from './scenes.js';

/**
 * The host of the bridge, a process alone in its network and mount namespaces (`unshare --net --mount`): plays the scenes
 * that its parent names, and goes with it. argv: the folder to work in.
 */
const dir = process.argv[2] ?? '';
const small = join(dir, 'small');
const resolvConf = join(dir, 'resolv.conf');
await writeFile(resolvConf, 'nameserver 192.0.2.53\n');
await mkdir(small);
await command('mount', '-t', 'tmpfs', '-o', 'size=128k', 'small', small);
const guest = await NamespaceGuest.plug(resolvConf);

process.on('message', (scene: SceneName) => {
  play(scene, { guest, dir, small }).then(
    (result) => process.send?.({ scene, result: result ?? null }),
    (error: unknown) =>
      process.send?.({ scene, error: String(error instanceof Error ? error.stack : error) }),
  );
});
process.once('disconnect', () => {
  void guest[Symbol.asyncDispose]().then(() => process.exit(0));
});
process.send?.({ ready: true });
