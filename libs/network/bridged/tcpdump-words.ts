import { interfaceNames } from './interfaces.js';

/** tcpdump's own counters, as it prints them when asked and at its end. */
export interface TcpdumpCounters {
  readonly captured: number;
  /** Packets that passed the filter in the kernel. */
  readonly received: number;
  readonly dropped: number;
}

/**
 * The latest counters in what it printed: on one line with commas, or on three. Null when there are none, or in other
 * words than those known: nothing depends on them but the numbers.
 */
export function countersIn(text: string): TcpdumpCounters | null {
  const found = [
    ...text.matchAll(
      /(\d+) packets? captured[,\s]+(\d+) packets? received by filter[,\s]+(\d+) packets? dropped by kernel/g,
    ),
  ].at(-1);
  if (found === undefined) return null;
  const [captured, received, dropped] = found.slice(1).map(Number) as [number, number, number];
  return { captured, received, dropped };
}

/** What an operator should do about tcpdump's last words; empty when they say it themselves. */
export async function advice(
  words: string,
  { program, root }: { readonly program: string; readonly root: boolean },
): Promise<string> {
  if (/permission|not permitted/i.test(words)) {
    return root
      ? `: root is not let capture here: does an AppArmor profile (aa-complain ${program}) or a container without CAP_NET_RAW stop it?`
      : `: give it the right to: setcap cap_net_raw,cap_net_admin=eip ${program} (and, where AppArmor confines it, aa-complain ${program})`;
  }
  if (/no such device|doesn't exist|disappeared|went down/i.test(words))
    return `: this host has ${(await interfaceNames()).join(', ')}`;
  if (/filter expression|syntax error/i.test(words)) return ': see auxiliary.conf: [sniffer] bpf';
  return '';
}
