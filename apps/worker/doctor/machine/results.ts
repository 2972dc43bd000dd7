import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { deadline } from '#domain/deadline.js';
import { reason } from '#domain/errors.js';
import type { Machine } from '#domain/machine.js';
import type { AgentClient } from '#guest/agent.js';
import type { AgentInfo } from '#guest/answers.js';
import { bytes } from '#guest/body.js';
import { guestFolder, variable } from '#guest/guest-path.js';
import { ownAddresses } from '#network/bridged/interfaces.js';
import { fail, ok, skipped, warn, type Verdict } from '../../../verdict.js';
import type { Patient } from './patient.js';

/** Seconds that the guest's attempt takes at most. */
const GUEST_CONNECT_S = 8;
/** Milliseconds to ask what it says of it. */
const ASK_MS = 10_000;
/** Bytes of the line, and of what the guest tells when it could not send it. */
const LINE_BYTES = 64;
const NOTES_BYTES = 1024;
/** Milliseconds that a restored guest's clock may be off without a word: it is set at each analysis. */
const CLOCK_MS = 24 * 3_600_000;

/** Takes the one line that the guest is told to send. */
export class Ear implements AsyncDisposable {
  readonly #heard: Promise<string>;
  #resolve: (line: string) => void = () => {};
  #server: Server | null = null;
  readonly #sockets = new Set<Socket>();
  /** Who connected and is not the guest. */
  readonly strangers = new Set<string>();

  constructor() {
    this.#heard = new Promise((resolve) => (this.#resolve = resolve));
  }

  /** Reads a stream that the guest opened. */
  accept(stream: Duplex): void {
    let text = '';
    stream.on('error', () => undefined);
    stream.on('data', (chunk: Buffer) => {
      text = (text + chunk.toString('latin1')).slice(0, LINE_BYTES);
      if (!text.includes('\n') && text.length < LINE_BYTES) return;
      this.#resolve(text);
      stream.destroy();
    });
    stream.on('end', () => stream.destroy());
  }

  /** Listens where the guest finds the result server. @throws what the kernel says */
  async listen(ip: string, port: number, guest: string): Promise<void> {
    const server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      const from = (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
      if (from === guest) {
        this.accept(socket);
        return;
      }
      this.strangers.add(from);
      socket.on('error', () => undefined);
      socket.destroy();
    });
    server.listen(port, ip);
    await once(server, 'listening');
    this.#server = server;
  }

  /** @throws when nothing came until `signal` aborts */
  async line(signal: AbortSignal): Promise<string> {
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
    return await Promise.race([this.#heard, aborted]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const server = this.#server;
    if (server !== null) await new Promise((resolve) => server.close(resolve));
  }
}

/** Is the result server's place free for the time of the look? Null when it is, and listened to. */
export async function listenFor(patient: Patient, ear: Ear): Promise<Verdict | null> {
  const { machine, reach, section, resultServerIp } = patient;
  if (reach === null) return null; // its lab hands over what it sends
  const { ip, port } = machine.resultServer;
  // As the result server does it: what the guest is told may lead here by NAT.
  for (const at of [ip, resultServerIp]) {
    try {
      await ear.listen(at, port, machine.ip);
      return null;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EADDRINUSE')
        return skipped(`${at}:${port} is taken, so it cannot be seen whether the guest gets there`);
      if (code !== 'EADDRNOTAVAIL') throw error;
    }
  }
  return fail(
    `its results go to ${ip}:${port}, and this host has no address ${ip}`,
    `correct resultserver_ip in ${section} (or [resultserver] ip in cuckoo.conf): the address of ${reach.interface} as the guest sees it`,
  );
}

/** Has the guest connect to the result server and say what time it has. */
export async function sendBack(
  patient: Patient,
  info: AgentInfo,
  ear: Ear,
  tell: (check: string, verdict: Verdict) => void,
  signal: AbortSignal,
): Promise<void> {
  if (!info.features.includes('execpy')) {
    tell(
      'result server',
      skipped('its agent runs no programs: whether the guest gets there cannot be asked'),
    );
    return;
  }
  const { ip, port } = patient.machine.resultServer;
  using patience = deadline(patient.patience.heardMs, signal);
  let notes: string | null = null;
  try {
    notes = await order(patient, { ip, port }, patience.signal);
    const [, time] = /^DOCTOR (\d+\.\d+)/.exec(await ear.line(patience.signal)) ?? [];
    tell('result server', ok(`the guest reaches ${ip}:${port}`));
    if (time !== undefined) tell('clock', clock(Number(time) * 1000, patient.now()));
  } catch (error) {
    signal.throwIfAborted();
    tell('result server', await unheard(patient, ear, notes, error, signal));
  }
}

/** Starts the program in the guest; answers where it writes what became of it. */
async function order(
  { agent, machine }: Patient,
  to: { readonly ip: string; readonly port: number },
  signal: AbortSignal,
): Promise<string> {
  const folder = guestFolder(await agent.mkdtemp(await temporaryFolder(agent, machine, signal), signal));
  const slash = machine.platform === 'windows' ? '\\' : '/';
  const [script, notes] = [`${folder}${slash}doctor.py`, `${folder}${slash}doctor.txt`];
  await agent.store(script, bytes(Buffer.from(program(to, notes))), 'doctor.py', signal);
  await agent.execpy(script, folder, signal);
  return notes;
}

/** Named: an agent without a wish of ours makes folders wherever it was started. */
async function temporaryFolder(agent: AgentClient, machine: Machine, signal: AbortSignal): Promise<string> {
  if (machine.platform !== 'windows') return '/tmp';
  return variable(await agent.environ(signal), 'TEMP') ?? 'C:\\Windows\\Temp';
}

/** For Python 2 and 3. Strings of JSON are strings of Python, too. */
function program({ ip, port }: { ip: string; port: number }, notes: string): string {
  return `import socket, time
try:
    s = socket.create_connection((${JSON.stringify(ip)}, ${port}), ${GUEST_CONNECT_S})
    s.sendall(("DOCTOR %.3f\\n" % time.time()).encode())
    s.close()
    said = "sent"
except Exception as error:
    said = "%s" % error
with open(${JSON.stringify(notes)}, "w") as f:
    f.write(said)
`;
}

async function unheard(
  { agent, machine, section, reach }: Patient,
  ear: Ear,
  notes: string | null,
  error: unknown,
  signal: AbortSignal,
): Promise<Verdict> {
  const { ip, port } = machine.resultServer;
  if (notes === null) return skipped(`the guest could not be told to try: ${reason(error)}`);
  if (ear.strangers.size > 0) {
    return fail(
      `the guest's connection comes from ${[...ear.strangers].join(', ')}, not from ${machine.ip}: its results would be refused`,
      `write that as ip in ${section}, or take what translates addresses out of the way (NAT)`,
    );
  }
  const said = await ask(agent, notes, signal);
  const own = reach === null || [...ownAddresses().values()].flat().includes(ip);
  const where = own ? '' : `, and this host has no address ${ip}`;
  const found = `the guest does not reach the result server at ${ip}:${port}: ${said}${where}`;
  if (said === 'sent')
    return fail(
      found,
      `something between answers in its place: is ${ip} an address of this host as the guest sees it? Correct resultserver_ip in ${section}`,
    );
  return fail(
    found,
    `correct resultserver_ip in ${section} (the host's address as the guest sees it); does the host's firewall let it in? \`iptables -I INPUT -i ${reach?.interface ?? 'IF'} -p tcp --dport ${port} -j ACCEPT\`; does the guest's let it out?`,
  );
}

/** What the program in the guest wrote, as far as it may be shown. */
async function ask(agent: AgentClient, notes: string, signal: AbortSignal): Promise<string> {
  using patience = deadline(ASK_MS, signal);
  try {
    const text = (await agent.retrieve(notes, NOTES_BYTES, patience.signal)).toString('latin1');
    return text === '' ? 'it says nothing' : text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
  } catch {
    signal.throwIfAborted();
    return 'nothing came, and it has not said why';
  }
}

/** A restored guest has the clock of its snapshot until an analysis sets it. */
export function clock(theirs: number, ours: number): Verdict {
  const off = Math.round((theirs - ours) / 1000);
  const found =
    off === 0 ? 'as ours' : `${Math.abs(off)} s ${off > 0 ? 'ahead of' : 'behind'} ours; an analysis sets it`;
  if (Math.abs(theirs - ours) <= CLOCK_MS) return ok(found);
  return warn(
    `${found}, and what the guest did before has another date`,
    'set the clock in the guest and take the snapshot again; the analyzer may only set it as administrator or root',
  );
}
