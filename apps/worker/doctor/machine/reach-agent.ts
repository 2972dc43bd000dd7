import { setTimeout as sleep } from 'node:timers/promises';
import { deadline } from '#domain/deadline.js';
import { reason } from '#domain/errors.js';
import { dialTcp } from '#guest/dial.js';
import { fail, ok, skipped, type Verdict } from '../../../verdict.js';
import { addressesOf, ask, contains, interfaceNames, neighbours } from './neighbours.js';
import type { Patient, Reach } from './patient.js';

/** Milliseconds of one attempt to connect: on a network of this host an answer takes one. */
const CONNECT_MS = 1_000;
/** Milliseconds between two attempts. */
const PAUSE_MS = 200;

/** Is the interface that the guest is said to be behind there? Looked at before anything is started. */
export async function interfaceThere({
  reach,
  section,
}: Pick<Patient, 'reach' | 'section'>): Promise<Verdict | null> {
  if (reach === null) return null;
  const names = await interfaceNames();
  if (reach.interface === '')
    return fail(
      'it is not known which interface it is behind',
      `write interface = … (one of ${names.join(', ')}) in ${section}`,
    );
  const addresses = addressesOf(reach.interface).join(', ');
  if (names.includes(reach.interface))
    return ok(
      `${reach.interface} is there${addresses === '' ? '; it is down, has no address, or nobody is on it yet' : `, ${addresses}`}`,
    );
  return fail(
    `this host has no interface ${reach.interface}; it has ${names.join(', ')}`,
    `correct interface in ${section}, or make it: \`virsh net-start default\` for virbr0, \`VBoxManage hostonlyif create\` for vboxnet0, \`ip link add ${reach.interface} type bridge\` for a bridge`,
  );
}

/**
 * Waits for the agent of a machine that runs, then says how far one gets: to the guest's network card, to its port.
 * False: it was not reached, and nothing after it can be told.
 */
export async function reachAgent(
  patient: Patient,
  tell: (check: string, verdict: Verdict) => void,
  signal: AbortSignal,
): Promise<boolean> {
  if (patient.reach === null) return await reachInside(patient, tell, signal);
  const { reach } = patient;
  const began = performance.now();
  const failed = await lastFailure(reach, patient.patience.bootMs, signal);
  const nearest = await nextDoor(patient, reach, failed === null);
  tell('network card', nearest);
  if (nearest.status === 'fail') return false;
  const at = `${reach.ip}:${reach.agentPort}`;
  if (failed === null) {
    tell('agent port', ok(`${at} takes connections, ${seconds(performance.now() - began)} after the start`));
    return true;
  }
  tell('agent port', closed(patient, at, failed));
  return false;
}

/** Null as soon as it takes a connection; else, after all patience, the last error's code. */
async function lastFailure(
  { ip, agentPort }: Reach,
  bootMs: number,
  signal: AbortSignal,
): Promise<string | null> {
  using patience = deadline(bootMs, signal);
  const dial = dialTcp(ip, agentPort);
  let last = 'ETIMEDOUT';
  const over = (): boolean => patience.signal.aborted;
  while (!over()) {
    using attempt = deadline(CONNECT_MS, patience.signal);
    try {
      (await dial(attempt.signal)).destroy();
      return null;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // Cut short by our own clock: no answer.
      if (!over()) last = code?.startsWith('E') === true ? code : 'ETIMEDOUT';
    }
    await sleep(PAUSE_MS, undefined, { signal: patience.signal }).catch(() => undefined);
  }
  signal.throwIfAborted();
  return last;
}

/** Has anybody answered for the guest's address on its interface? */
async function nextDoor(
  { section }: Patient,
  { ip, interface: name }: Reach,
  reached: boolean,
): Promise<Verdict> {
  const ours = addressesOf(name);
  if (name === 'lo') return skipped('nobody asks for hardware addresses on lo');
  if (!ours.some((cidr) => contains(cidr, ip))) {
    if (reached) return skipped(`${ip} is in no network of ${name} and reached all the same, by a route`);
    const has = ours.length === 0 ? 'no address, or is down' : ours.join(', ');
    return fail(
      `${ip} is in no network of ${name}, which has ${has}`,
      `give the interface an address in the guest's network (\`ip addr add ADDRESS/24 dev ${name}; ip link set ${name} up\`), or correct ip or interface in ${section}`,
    );
  }
  ask(ip);
  const table = (await neighbours()).filter((one) => one.interface === name);
  const mac = table.find((one) => one.ip === ip)?.mac ?? null;
  if (mac !== null) return ok(`${mac} answers for ${ip} on ${name}`);
  if (reached) return ok(`${ip} answers on ${name}`);
  const others = table.flatMap((one) => (one.mac === null ? [] : [`${one.ip} (${one.mac})`]));
  const seen = others.length === 0 ? 'nobody else is seen there either' : `seen there: ${others.join(', ')}`;
  return fail(
    `nobody answers for ${ip} on ${name}; ${seen}`,
    `start the machine by hand and look in it (\`ipconfig\`, \`ip addr\`): is its address ${ip}, static, its network card on ${name} and plugged in? Take the snapshot again after mending it, or correct ip or interface in ${section}`,
  );
}

function closed({ section }: Patient, at: string, code: string): Verdict {
  switch (code) {
    case 'ECONNREFUSED':
      return fail(
        `the guest answers, and nothing listens on ${at}: its agent does not run in the snapshot`,
        `start agent.py in the guest (as administrator or root), see that it listens, and take the snapshot again while it runs; or correct agent_port in ${section}`,
      );
    case 'ETIMEDOUT':
      return fail(
        `the guest is there, and says nothing on ${at}: its firewall, or it hangs`,
        `turn the guest's firewall off (Windows: \`netsh advfirewall set allprofiles state off\`) and take the snapshot again; does the host's own firewall let ${at} out?`,
      );
    default:
      return fail(
        `${at} cannot be reached: ${code}`,
        `is there a route to it? \`ip route get ${at.split(':')[0] ?? ''}\``,
      );
  }
}

/** A guest in a network of its own: its lab knows the way. */
async function reachInside(
  { agent, patience: { bootMs } }: Patient,
  tell: (check: string, verdict: Verdict) => void,
  signal: AbortSignal,
): Promise<boolean> {
  using patience = deadline(bootMs, signal);
  const began = performance.now();
  try {
    await agent.reach(patience.signal);
    tell('agent port', ok(`takes connections, ${seconds(performance.now() - began)} after the start`));
    return true;
  } catch (error) {
    signal.throwIfAborted();
    tell('agent port', fail(`its agent takes no connection: ${reason(error)}`, NO_AGENT));
    return false;
  }
}

const NO_AGENT =
  'take the snapshot or template again while the agent runs (of the default guest: remove its folder in guests/templates)';

function seconds(ms: number): string {
  return ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
