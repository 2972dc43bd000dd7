import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const support = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** What tap-run.ts prints in a network of its own, whose bridge br0 is 10.0.2.2; needs root. */
export async function runOnBridge(...args: readonly string[]): Promise<unknown> {
  const { stdout } = await promisify(execFile)(
    'unshare',
    [
      ...['--net', '--mount', 'sh', '-c'],
      // The interfaces that are looked at are those of this network.
      'mount -t sysfs sysfs /sys && ip link add br0 type bridge && ip addr add 10.0.2.2/24 dev br0 && ip link set br0 up && exec "$@"',
      ...['sh', process.execPath, '--import', support('ts-register.js'), support('tap-run.ts'), ...args],
    ],
    { env: { ...process.env, NODE_OPTIONS: '' }, timeout: 240_000 },
  );
  return JSON.parse(stdout);
}

/** Of a machine that was prepared behind a wire and then ran on its bridge. */
export const ON_BRIDGE = {
  // Asked when it has booted and when it was restored, both times without its tap.
  asked: [
    { agent: null, tap: null },
    { agent: null, tap: null },
  ],
  fellBack: false,
  started: { tap: 'br0', carrier: '1' },
  again: { tap: 'br0', carrier: '1' },
  ended: null,
};
