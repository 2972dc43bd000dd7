import { createSocket } from 'node:dgram';
import { stat } from 'node:fs/promises';
import { deadline } from '#domain/deadline.js';
import { reason } from '#domain/errors.js';
import { checkBpf } from '#network/bridged/filter.js';
import { fail, ok, skipped, type Verdict } from '../../verdict.js';
import type { Check } from './check.js';
import type { Configured } from './context.js';
import { ourName } from './owner.js';
import { programPath, runProgram, type Ran } from './program.js';

/** Milliseconds from the start of tcpdump to a packet in it; it takes a tenth of a second. */
const CAPTURE_MS = 8_000;
/** The discard port: nobody listens, and nobody needs to. */
const PORT = 9;
/** Bytes of the header of a pcap file: more means a packet. */
const PCAP_HEADER = 24;

/** By proof: one packet on lo, by the tcpdump and the user that will capture those of guests. */
export function captureCheck(configured: Configured): Check {
  return { name: 'packet capture', run: (signal) => capture(configured, signal) };
}

async function capture({ settings, host }: Configured, signal: AbortSignal): Promise<Verdict> {
  const { enabled, tcpdump, bpf } = settings.auxiliary.sniffer;
  if (!enabled) return skipped('not wanted: [sniffer] enabled = no in auxiliary.conf');
  const program = await tcpdumpPath(tcpdump, host);
  if (program === null) return skipped(`${tcpdump} is not there`);
  try {
    await checkBpf(program, bpf, signal);
  } catch (error) {
    signal.throwIfAborted();
    return fail(
      reason(error),
      'correct bpf of [sniffer] in auxiliary.conf: `tcpdump -d EXPRESSION` tries one',
    );
  }
  using within = deadline(CAPTURE_MS, signal);
  const filter = ['udp', 'and', 'dst', 'port', String(PORT)];
  const args = ['-i', 'lo', '-nn', '-U', '--immediate-mode', '-c', '1', '-w', '-', ...filter];
  let sent = false;
  const onStderr = (said: string): void => {
    if (sent || !said.includes('listening on')) return;
    sent = true;
    sendPacket();
  };
  let ran: Ran;
  try {
    ran = await runProgram(program, args, { ...host, onStderr }, within.signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!within.signal.aborted) throw error;
    const found = `${program} captured nothing within ${CAPTURE_MS / 1000} s of a packet on lo`;
    return fail(found, 'is lo up? `ip link set lo up`; else run the command by hand: tcpdump -i lo -c 1');
  }
  if (ran.code === 0 && ran.stdout.length > PCAP_HEADER) return ok(`${program} captures packets`);
  return await refused(program, ran);
}

async function refused(program: string, { code, stderr }: Ran): Promise<Verdict> {
  const words = stderr.trim().split('\n').join(' ') || `it ended with ${code ?? 'a signal'}`;
  const found = `${program} cannot capture: ${words}`;
  if (/permission|not permitted/i.test(words)) {
    const give = `chgrp pcap ${program} && chmod 750 ${program} && setcap cap_net_raw,cap_net_admin=eip ${program}`;
    const fix = `as root: groupadd -f pcap && usermod -aG pcap ${ourName()} && ${give}; then log in again`;
    return fail(
      found,
      (await confined())
        ? `${fix}. If it is AppArmor (\`journalctl -k | grep DENIED\`): aa-disable ${program}`
        : fix,
    );
  }
  if (/not up/i.test(words)) return fail(found, 'ip link set lo up');
  return fail(found, `run it by hand: ${program} -i lo -c 1`);
}

/** Where it is: as configured, or where newer systems have it when that is Cuckoo's default. */
export async function tcpdumpPath(
  configured: string,
  host: Pick<Configured['host'], 'path'>,
): Promise<string | null> {
  const named = await programPath(configured, host);
  return named ?? (configured.endsWith('/tcpdump') ? await programPath('tcpdump', host) : null);
}

/** Has the host a profile of AppArmor for tcpdump that may be in force? */
async function confined(): Promise<boolean> {
  const there = (path: string): Promise<boolean> =>
    stat(path).then(
      () => true,
      () => false,
    );
  const profiles = ['/etc/apparmor.d/usr.bin.tcpdump', '/etc/apparmor.d/usr.sbin.tcpdump'];
  if (!(await there('/sys/module/apparmor'))) return false;
  return (await Promise.all(profiles.map(there))).includes(true);
}

function sendPacket(): void {
  const socket = createSocket('udp4');
  socket.on('error', () => undefined); // nobody listens: that comes back to us
  socket.send('doctor', PORT, '127.0.0.1', () => socket.close());
}
