/** routing.conf, as far as routes need it. */
export interface Routing {
  /** What `none` means: nothing, or what the host's own rules say, as in Cuckoo. */
  readonly none: 'drop' | 'host';
  /** Interface of the dirty line; null: there is none. */
  readonly internet: string | null;
  readonly rtTable: string;
  readonly autoRt: boolean;
  /** Networks that a guest on the internet must not reach. */
  readonly rejectSegments: readonly string[];
  readonly inetsim: {
    readonly enabled: boolean;
    readonly server: string;
    /** From the port that the guest asked for to that of the server. */
    readonly ports: readonly { readonly from: number; readonly to: number }[];
    readonly dnsport: number;
  };
  readonly tor: { readonly enabled: boolean; readonly dnsport: number; readonly proxyport: number };
  readonly vpns: readonly Vpn[];
}

export interface Vpn {
  readonly name: string;
  readonly interface: string;
  readonly rtTable: string;
}

/** What a route comes to once all names are looked up. */
export type Plan =
  | { readonly kind: 'drop' }
  /** No rules of ours for IPv4: the host's own decide. */
  | { readonly kind: 'host' }
  | Line
  | Redirect;

/** Out of an interface, behind its address. */
export interface Line {
  readonly kind: 'line';
  readonly interface: string;
  /** Routing table by name or number; `main` needs no rule. */
  readonly table: string;
  /** May it be filled with the main table's routes by that interface? */
  readonly autoRt: boolean;
  readonly reject: readonly string[];
}

/** Every connection ends at a server of the lab. */
export interface Redirect {
  readonly kind: 'redirect';
  readonly server: string;
  /** Interface towards the server when it is not an address of this host. */
  readonly via: string | null;
  /** By the port asked for, a port of the server. */
  readonly tcp: ReadonlyMap<number, number>;
  readonly udp: ReadonlyMap<number, number>;
  readonly others: { readonly tcp: Others; readonly udp: Others };
}

/** What all other ports lead to: nothing, one port, or the same port. */
export type Others = 'drop' | 'same' | number;
