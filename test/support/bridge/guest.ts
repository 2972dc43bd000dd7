import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const BRIDGE = 'br0';
export const HOST_IP = '192.168.56.1';
export const GUEST_IP = '192.168.56.101';
/** Also the guest's, but no machine's. */
export const OTHER_IP = '192.168.56.102';

/** Runs a program of this host to its end. */
export async function command(...argv: readonly string[]): Promise<string> {
  const [program = '', ...args] = argv;
  const { stdout } = await run(program, args, { timeout: 20_000 });
  return stdout;
}

/**
 * A bridge of this (private!) network namespace with a guest behind it: a namespace with an address, a default route to
 * us and a name server that is nowhere.
 */
export class NamespaceGuest implements AsyncDisposable {
  private constructor(private readonly keeper: ChildProcess) {}

  /** @param resolvConf a file that names its name server */
  static async plug(resolvConf: string): Promise<NamespaceGuest> {
    const script = `mount --bind ${resolvConf} /etc/resolv.conf && echo ready && exec sleep infinity`;
    const keeper = spawn(
      'setpriv',
      ['--pdeathsig', 'KILL', '--', 'unshare', '--net', '--mount', 'sh', '-c', script],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const guest = new NamespaceGuest(keeper);
    await once(keeper.stdout, 'data');
    const inside = String(keeper.pid);
    const ip = (line: string): Promise<string> => command('ip', ...line.split(' '));
    await ip('link set lo up');
    await ip(`link add ${BRIDGE} type bridge`);
    await ip(`addr add ${HOST_IP}/24 dev ${BRIDGE}`);
    await ip(`link set ${BRIDGE} up`);
    await ip(`link add v0 type veth peer name v1 netns ${inside}`);
    await ip(`link set v0 master ${BRIDGE} up`);
    await guest.run('ip', 'link', 'set', 'lo', 'up');
    await guest.run('ip', 'addr', 'add', `${GUEST_IP}/24`, 'dev', 'v1');
    await guest.run('ip', 'addr', 'add', `${OTHER_IP}/24`, 'dev', 'v1');
    await guest.run('ip', 'link', 'set', 'v1', 'up');
    await guest.run('ip', 'route', 'add', 'default', 'via', HOST_IP, 'src', GUEST_IP);
    return guest;
  }

  /** Runs a program in the guest to its end. */
  run(...argv: readonly string[]): Promise<string> {
    return command('nsenter', '-t', String(this.keeper.pid), '--net', '--mount', '--', ...argv);
  }

  /** Starts a program in the guest; it ends with us. */
  spawn(...argv: readonly string[]): ChildProcess {
    const enter = ['nsenter', '-t', String(this.keeper.pid), '--net', '--mount', '--', ...argv];
    return spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...enter], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }

  python(code: string): Promise<string> {
    return this.run('python3', '-S', '-E', '-c', code);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.keeper, 'exit');
    this.keeper.kill('SIGKILL');
    await ended;
  }
}
