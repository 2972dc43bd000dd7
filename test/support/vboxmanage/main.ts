import { writeSync } from 'node:fs';
import { COMMANDS, internalcommands, type Said } from './commands.js';
import { sleep } from './machines.js';
import type { Fault } from './model.js';
import { recordCall, withHost } from './store.js';
import { PROGRESS, Refused } from './texts.js';

/**
 * VBoxManage without VirtualBox: as in 7.2, so far as Malkoha and Cuckoo use it. Its own file is no program that
 * Node could run; install.ts makes one of it.
 */
const [command = '', ...args] = process.argv.slice(2);
const { windows, progress, version } = withHost((host) => host);

function write(file: 1 | 2, text: string): void {
  const bytes = Buffer.from(windows ? text.replaceAll('\n', '\r\n') : text);
  for (let at = 0; at < bytes.length; at += writeSync(file, bytes, at));
}

const complain = (errors: readonly string[]) =>
  errors.forEach((line) => write(2, `VBoxManage${windows ? '.exe' : ''}: error: ${line}\n`));

/** The fault for this call, counted. */
function due(): Fault | undefined {
  return withHost(({ faults }) => {
    const words = [command, ...args];
    const fault = faults.find(
      (one) => one.times !== 0 && one.command.every((word, at) => word === '*' || word === words[at]),
    );
    if (fault?.times != null) fault.times -= 1;
    return fault;
  });
}

const forever = () => new Promise<never>(() => setInterval(() => undefined, 60_000));

async function run(): Promise<Said> {
  if (command === '-v' || command === '--version') return { stdout: `${version}\n` };
  const { [command]: known } = COMMANDS;
  if (!known) throw new Refused([`Invalid command '${command}'`], 2);
  return known(args);
}

async function main(): Promise<number> {
  if (command === 'internalcommands') {
    writeSync(1, internalcommands(args).stdout ?? '');
    return 0;
  }
  recordCall([command, ...args]);
  const fault = due();
  if (fault?.kind === 'hang') return await forever();
  if (fault?.kind === 'slow') await sleep(fault.ms ?? 0);
  if (fault?.kind === 'exit-0' || fault?.kind === 'exit-1') {
    complain(fault.errors ?? []);
    return fault.kind === 'exit-0' ? 0 : 1;
  }
  try {
    const said = await run();
    if (said.progress) write(progress === 'stdout' ? 1 : 2, PROGRESS);
    write(1, said.stdout ?? '');
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.stdout !== null) write(1, error.stdout);
    complain(error.lines);
    return error.exit;
  }
  return fault?.kind === 'hang-after' ? await forever() : 0;
}

// What a command has set going goes on without it.
process.exit(await main());
