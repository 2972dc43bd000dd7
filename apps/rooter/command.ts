import { execFile } from 'node:child_process';
import { SandboxError } from '#domain/errors.js';

/** Milliseconds and bytes that one program may take: they answer in milliseconds, and a full ruleset has some MiB. */
const MOST_MS = 10_000;
const MOST_BYTES = 16 * 1024 * 1024;

/** Programs that change the network, and the Debian packages that have them. */
const PACKAGES = { nft: 'nftables', ip: 'iproute2', conntrack: 'conntrack', iptables: 'iptables' } as const;
export type Program = keyof typeof PACKAGES;

/** Administrators' programs are not always on the PATH of whoever starts us. */
export const ENVIRONMENT = {
  PATH: `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin`,
  LC_ALL: 'C',
};

/** A program that ended with another code than 0. */
export class CommandError extends SandboxError {
  constructor(
    program: Program,
    args: readonly string[],
    readonly stderr: string,
  ) {
    const said = stderr.trim().split('\n').slice(0, 3).join(' / ') || 'it said nothing';
    const denied = /Operation not permitted|Permission denied/.test(stderr);
    super(
      denied ? 'SETUP_MISSING' : 'ROUTE_FAILED',
      denied
        ? `${program} may not change the network (${said}): the rooter must run as root`
        : `\`${[program, ...args].join(' ')}\` failed: ${said}`,
    );
  }
}

/** Runs one program to its end and returns what it printed. @throws CommandError, SETUP_MISSING when it is not installed */
export function run(program: Program, args: readonly string[], stdin = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = {
      env: ENVIRONMENT,
      timeout: MOST_MS,
      killSignal: 'SIGKILL',
      maxBuffer: MOST_BYTES,
    } as const;
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else if (error.code === 'ENOENT')
        reject(
          new SandboxError(
            'SETUP_MISSING',
            `the program ${program} is missing: apt-get install ${PACKAGES[program]}`,
          ),
        );
      else if (typeof error.code === 'number') reject(new CommandError(program, args, stderr));
      else
        reject(
          new SandboxError('ROUTE_FAILED', `\`${[program, ...args].join(' ')}\` did not end`, {
            cause: error,
          }),
        );
    });
    // Its own message says more than a broken pipe.
    child.stdin?.on('error', () => {});
    child.stdin?.end(stdin);
  });
}

/** What `ip -j` prints for an empty list is nothing, or []. */
export async function ipJson(args: readonly string[]): Promise<unknown> {
  const text = await run('ip', ['-j', ...args]);
  return text.trim() === '' ? [] : JSON.parse(text);
}
