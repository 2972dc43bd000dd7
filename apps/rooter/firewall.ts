import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { CommandError, run } from './command.js';
import { quoted } from './base-rules.js';

/** What a guest's route forwards. */
export interface Passage {
  readonly ip: string;
  /** The guest's. */
  readonly behind: string;
  readonly out: string;
}

const COMMENT = 'malkoha-rooter';
/** Seconds that iptables waits for another that changes rules. */
const WAIT = ['-w', '5'];

/**
 * Makes a passage through the rules of others. An accept of ours does not override their drop: libvirt rejects what is
 * forwarded to and from its networks (chains LIBVIRT_FWI and LIBVIRT_FWO of iptables, since 10.4 its own nft table
 * `ip libvirt_network`), Docker drops by policy. So while the route is open, and for its guest and line only, an accept
 * goes to the top of their FORWARD. What other nft tables drop is beyond us (docs/howto/routing.md).
 *
 * @returns what takes it back
 */
export async function openPassage(passage: Passage): Promise<() => Promise<void>> {
  const undo: (() => Promise<unknown>)[] = [];
  const takeBack = async (): Promise<void> => {
    for (const step of undo.reverse()) await step();
  };
  try {
    if (await iptablesForwards()) {
      for (const rule of iptablesRules(passage)) {
        await run('iptables', [...WAIT, '-I', 'FORWARD', '1', ...rule]);
        undo.push(() => absentIsFine(run('iptables', [...WAIT, '-D', 'FORWARD', ...rule])));
      }
    }
    for (const [chain, rule] of libvirtRules(passage)) {
      if (!(await isChain(LIBVIRT, chain))) continue;
      await run('nft', ['-f', '-'], `insert rule ip ${LIBVIRT} ${chain} ${rule}\n`);
      undo.push(() => sweepChain(chain, passage.ip));
    }
    return takeBack;
  } catch (error) {
    await takeBack();
    throw error;
  }
}

/** Takes away what a rooter that was killed left. */
export async function sweepPassages(): Promise<void> {
  if (await iptablesForwards()) {
    const listed = await run('iptables', [...WAIT, '-S', 'FORWARD']);
    for (const line of listed.split('\n').filter((one) => one.includes(COMMENT)))
      await run('iptables', [...WAIT, '-D', ...line.replaceAll('"', '').split(' ').slice(1)]);
  }
  for (const chain of LIBVIRT_CHAINS) if (await isChain(LIBVIRT, chain)) await sweepChain(chain, null);
}

function iptablesRules({ ip, behind, out }: Passage): readonly (readonly string[])[] {
  const accept = ['-m', 'comment', '--comment', COMMENT, '-j', 'ACCEPT'];
  const answers = ['-m', 'conntrack', '--ctstate', 'RELATED,ESTABLISHED'];
  return [
    ['-s', `${ip}/32`, '-i', behind, '-o', out, ...accept],
    ['-d', `${ip}/32`, '-i', out, '-o', behind, ...answers, ...accept],
  ];
}

const LIBVIRT = 'libvirt_network';
const LIBVIRT_CHAINS = ['guest_output', 'guest_input'] as const;

function libvirtRules({
  ip,
  behind,
  out,
}: Passage): readonly (readonly [(typeof LIBVIRT_CHAINS)[number], string])[] {
  return [
    [
      'guest_output',
      `iifname ${quoted(behind)} oifname ${quoted(out)} ip saddr ${ip} counter accept comment ${quoted(`${COMMENT} ${ip}`)}`,
    ],
    [
      'guest_input',
      `iifname ${quoted(out)} oifname ${quoted(behind)} ip daddr ${ip} ct state established,related counter accept comment ${quoted(`${COMMENT} ${ip}`)}`,
    ],
  ];
}

/** Has anybody rules of iptables here? Looking by iptables itself would make its tables. */
async function iptablesForwards(): Promise<boolean> {
  if (await isChain('filter', 'FORWARD')) return true;
  const legacy = await readFile('/proc/self/net/ip_tables_names', 'utf8').catch(() => '');
  return legacy.split('\n').includes('filter');
}

async function isChain(table: string, chain: string): Promise<boolean> {
  try {
    await run('nft', ['list', 'chain', 'ip', table, chain]);
    return true;
  } catch (error) {
    // Other failures are told as well by the change that follows; a chain that cannot be listed is not ours to change.
    if (error instanceof CommandError) return false;
    throw error;
  }
}

const listed = z.object({ rule: z.object({ handle: z.int(), comment: z.string() }) });

/** Removes our rules of one guest, or of all, from a chain of libvirt's. libvirt may have made the chain anew meanwhile. */
async function sweepChain(chain: string, ip: string | null): Promise<void> {
  if (!(await isChain(LIBVIRT, chain))) return;
  const text = await run('nft', ['-j', '-a', 'list', 'chain', 'ip', LIBVIRT, chain]);
  const { nftables } = z.object({ nftables: z.array(z.unknown()) }).parse(JSON.parse(text));
  for (const item of nftables) {
    const found = listed.safeParse(item).data?.rule;
    if (found === undefined) continue;
    if (ip === null ? found.comment.startsWith(`${COMMENT} `) : found.comment === `${COMMENT} ${ip}`)
      await run('nft', ['delete', 'rule', 'ip', LIBVIRT, chain, 'handle', String(found.handle)]);
  }
}

/** Whoever reloaded the firewall meanwhile took our rule along. */
async function absentIsFine(change: Promise<unknown>): Promise<void> {
  try {
    await change;
  } catch (error) {
    if (!(
      error instanceof CommandError && /does a matching rule exist|No chain|does not exist/.test(error.stderr)
    ))
      throw error;
  }
}
