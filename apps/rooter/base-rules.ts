import { isIPv4 } from 'node:net';

/** Both tables have it; nobody else's do. */
export const TABLE = 'malkoha';

/** In the map `before`: which sysctl of an interface the value is of. */
export const KEYS = { forwarding: 1, rp_filter: 2 } as const;
export type SysctlKey = keyof typeof KEYS;

/** Chains and maps for each place where a packet of a guest is looked at; the verdict maps hold the open leases. */
export const PLACES = ['nat', 'pre', 'in', 'out', 'from', 'to'] as const;

export interface Base {
  /** Those that configured machines are behind. */
  readonly interfaces: readonly string[];
  /** Of the configured machines. */
  readonly addresses: readonly string[];
  /** This process: pid, and when it was started in clock ticks since boot, modulo 2³². */
  readonly owner: { readonly pid: number; readonly start: number };
  /** Can the kernel match a bridge by name in the bridge family (NFT_BRIDGE_META)? */
  readonly bridgeNames: boolean;
  readonly before: readonly Before[];
}

/** What a sysctl was before we changed it, kept in the kernel: it lives as long as the change does. */
export interface Before {
  readonly interface: string;
  readonly key: SysctlKey;
  readonly value: number;
}

/**
 * Replaces our two tables, in one transaction. With them alone every guest is cut off: an interface that configured
 * machines are behind lets through what a lease allows, and nothing else.
 *
 * The chains run before those of a firewall (priority filter, 0) and before other NAT: a drop of ours is final, whoever
 * accepts later; an accept of ours is not, and lines have their own exceptions in others' rules (firewall.ts).
 *
 * Nothing accepts by connection state alone. `established` counts inside the chain of a lease, so a flow ends with the
 * lease that opened it.
 */
export function baseRules({ interfaces, addresses, owner, bridgeNames, before }: Base): string {
  return `table inet ${TABLE} {}
delete table inet ${TABLE}
table inet ${TABLE} {
  map owner { type mark : mark; elements = { ${owner.pid} : ${owner.start} }; }
  map before { type ifname . mark : mark; ${elements(before.map(beforeElement))} }
  set interfaces { type ifname; ${elements(interfaces.map(quoted))} }
  # Interfaces that forward only because of us.
  set lent { type ifname; ${elements(before.filter(({ key }) => key === 'forwarding').map(({ interface: name }) => quoted(name)))} }
  set masqueraded { typeof ip saddr . oifname; }
  counter strays { }
${PLACES.map((place) => `  map m_${place} { typeof ${FROM_GUEST[place] ? 'iifname . ip saddr' : 'oifname . ip daddr'} : verdict; }`).join('\n')}
  # What is not for this host, before the kernel looks for a way: where it forwards nothing it drops without counting.
  chain g_pre {
    iifname . ip saddr vmap @m_pre
    ct direction reply ct state established,related accept
    counter name strays drop
  }
  chain g_in {
    iifname . ip saddr vmap @m_in
    counter name strays drop
  }
  chain g_out {
    oifname . ip daddr vmap @m_out
    counter name strays drop
  }
  chain g_from {
    iifname . ip saddr vmap @m_from
    oifname . ip daddr vmap @m_to
    counter name strays drop
  }
  chain g_to {
    oifname . ip daddr vmap @m_to
    counter name strays drop
  }
  chain b_routing {
    type filter hook prerouting priority dstnat + 10; policy accept;
    iifname @interfaces fib daddr type != local goto g_pre
  }
  chain b_input {
    type filter hook input priority filter - 10; policy accept;
    iifname @interfaces goto g_in
  }
  chain b_output {
    type filter hook output priority filter - 10; policy accept;
    oifname @interfaces goto g_out
  }
  chain b_forward {
    type filter hook forward priority filter - 10; policy accept;
    iifname @interfaces goto g_from
    oifname @interfaces goto g_to
    iifname @lent counter name strays drop
  }
  chain b_prerouting {
    type nat hook prerouting priority dstnat - 10; policy accept;
    iifname . ip saddr vmap @m_nat
  }
  chain b_postrouting {
    type nat hook postrouting priority srcnat - 10; policy accept;
    ip saddr . oifname @masqueraded masquerade
  }
}
table bridge ${TABLE} {}
delete table bridge ${TABLE}
table bridge ${TABLE} {
  # Ports of the guests' bridges, kept in step with the kernel (bridge-ports.ts).
  set ports { type ifname; }
  set guests { type ipv4_addr; ${elements(addresses.filter((ip) => isIPv4(ip)))} }
  # Pairs of a guest and an InetSim on the same bridge.
  set neighbours { typeof ip saddr . ip daddr; }
  counter strays { }
  chain b_forward {
    type filter hook forward priority -300; policy accept;
    ip saddr . ip daddr @neighbours accept
    arp saddr ip . arp daddr ip @neighbours accept
    iifname @ports counter name strays drop
    oifname @ports counter name strays drop
${bridgeNames ? `    meta ibrname { ${interfaces.map(quoted).join(', ')} } counter name strays drop\n` : ''}    ip saddr @guests counter name strays drop
    ip daddr @guests counter name strays drop
    arp saddr ip @guests counter name strays drop
    arp daddr ip @guests counter name strays drop
  }
}
`;
}

/** Is the guest the sender there? */
const FROM_GUEST: Readonly<Record<(typeof PLACES)[number], boolean>> = {
  in: true,
  out: false,
  from: true,
  to: false,
  nat: true,
  pre: true,
};

export function beforeElement({ interface: name, key, value }: Before): string {
  return `${quoted(name)} . ${KEYS[key]} : ${value}`;
}

/** Names come from files and requests, and have no quote in them: permit.ts and lines.ts see to it. */
export function quoted(name: string): string {
  return `"${name}"`;
}

function elements(all: readonly string[]): string {
  const each = [...new Set(all)];
  return each.length === 0 ? '' : `elements = { ${each.join(', ')} };`;
}
