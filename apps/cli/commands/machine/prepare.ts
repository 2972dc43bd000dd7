import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { homePaths } from '#config/home.js';
import { loadSettings } from '#config/settings.js';
import { SandboxError } from '#domain/errors.js';
import { AgentClient } from '#guest/agent.js';
import { dialTcp } from '#guest/dial.js';
import { macOf, type OwnQemuMachine } from '#machinery/adapters/qemu/own/machine.js';
import { prepareMachine } from '#machinery/adapters/qemu/own/prepare.js';
import { CertificateAuthority } from '#network/fakenet/ca.js';
import { addressPlan } from '#network/userspace/addresses.js';
import { UserspaceNetwork } from '#network/userspace/network.js';
import { confVariables } from '../../../conf-variables.js';
import { interruptible } from '../../interrupt.js';
import { homeFolder, machineNames, parse } from '../../options.js';
import { createProgress, type Progress } from '../../progress.js';

const OPTIONS = { home: { type: 'string' } } as const;

/**
 * Needs no daemon, no rooter and no tap, and disturbs none: machines that run keep the template that they were made of.
 */
export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('machine prepare', args, OPTIONS);
  const [name = ''] = machineNames('machine prepare', positionals, 1);
  const home = homePaths(homeFolder(values.home));
  const { settings } = await loadSettings(home.conf, confVariables(home.dir));
  const { machines, path } = settings.qemu;
  const machine = machines.find((one) => one.name === name);
  if (machine === undefined) {
    throw new SandboxError(
      'NO_MATCHING_MACHINE',
      `${join(home.conf, 'qemu.conf')} has no machine ${JSON.stringify(name)}; ` +
        (machines.length === 0 ? 'it names none' : `it has ${machines.map((one) => one.name).join(', ')}`),
    );
  }
  const progress = createProgress();
  return interruptible(
    async (signal) => {
      const folder = await prepare(machine, { path, guestsDir: home.guests, progress }, signal);
      progress.done();
      progress.say(`${name} is ready: its template is ${folder}`);
      return 0;
    },
    progress,
    () => progress.say('stopping'),
  );
}

async function prepare(
  machine: OwnQemuMachine,
  { path, guestsDir, progress }: { path: string; guestsDir: string; progress: Progress },
  signal: AbortSignal,
): Promise<string> {
  const runDir = await mkdtemp(join(tmpdir(), 'malkoha-prepare-'));
  try {
    await chmod(runDir, 0o711); // QEMU runs as another user when we are root
    const { ip, resultServer, agentPort } = machine;
    await using network = await UserspaceNetwork.listen({
      socketPath: join(runDir, 'net'),
      ca: await CertificateAuthority.create(),
      addresses: addressPlan({ ip, gateway: resultServer.ip, mac: macOf(machine) }),
    });
    return await prepareMachine(
      {
        ...{ machine, path, runDir, guestsDir },
        wire: async () => network.socketPath,
        waitReady: (_machine, agent, by) =>
          new AgentClient(
            agent === null ? (until) => network.dial(agentPort, until) : dialTcp(agent.host, agent.port),
          ).waitReady(by),
        onProgress: (line) => progress.say(line),
      },
      signal,
    );
  } finally {
    await rm(runDir, { recursive: true, force: true });
  }
}
