import type { Domain, DomainState, Snapshot } from '#libvirt/libvirt.js';
import { LibvirtError } from '#libvirt/error.js';
import type { Hypervisor } from './hypervisor.js';

type Lifecycle = Parameters<Hypervisor['onLifecycle']>[0];

export function libvirtError(code: number): LibvirtError {
  return new LibvirtError(code, 10, `error ${code}`, 2, [], 192);
}

export interface FakeDomain {
  readonly xml: string;
  /** XML by name. */
  readonly snapshots: Readonly<Record<string, string>>;
  readonly current?: string;
  state: DomainState;
}

export const OFF: DomainState = { state: 'off', reason: 2 };
export const PAUSED: DomainState = { state: 'paused', reason: 7 };
export const RUNNING: DomainState = { state: 'running', reason: 5 };

/** Of a domain with these devices. */
export function domainXml(devices: string): string {
  return `<domain type='kvm'><memory unit='KiB'>8</memory><devices>${devices}</devices></domain>`;
}

/** A domain with one network card and a snapshot `clean`, taken running. */
export function fakeDomain(mac: string, changes: Partial<FakeDomain> = {}): FakeDomain {
  return {
    xml: domainXml(`<interface type='bridge'><mac address='${mac}'/><source bridge='virbr0'/></interface>`),
    snapshots: { clean: '<domainsnapshot><state>running</state></domainsnapshot>' },
    state: OFF,
    ...changes,
  };
}

/** A libvirt of a few domains that remembers what it was asked to do, as `revert win10 clean`. */
export class FakeHypervisor implements Hypervisor {
  readonly uri = 'qemu:///system';
  connected = true;
  readonly calls: string[] = [];
  /** Runs before a call does what it is for, once each; what it throws is the answer. */
  readonly before: { call: RegExp; act: () => unknown }[] = [];
  readonly #lifecycle = new Set<Lifecycle>();
  readonly #reconnect = new Set<() => void>();

  constructor(readonly fakes: Readonly<Record<string, FakeDomain>>) {}

  /** The domain changes by itself, and libvirt tells. */
  change(name: string, state: DomainState): void {
    this.#fake(name).state = state;
    this.tell(name);
  }

  tell(name: string): void {
    const event = { domain: this.#domain(name), event: 'stopped', detail: 0 } as Parameters<Lifecycle>[0];
    for (const listener of this.#lifecycle) listener(event);
  }

  reconnect(): void {
    this.connected = true;
    for (const listener of this.#reconnect) listener();
  }

  get listeners(): number {
    return this.#lifecycle.size + this.#reconnect.size;
  }

  libVersion = async () => 9_000_000;
  domains = async () => Object.keys(this.fakes).map((name) => this.#domain(name));
  domain = async (name: string) => {
    if (this.fakes[name] === undefined) throw libvirtError(42);
    return this.#domain(name);
  };
  /** `default` is the only network. */
  networkBridge = async (name: string) => {
    if (name === 'default') return 'virbr0';
    throw libvirtError(43);
  };
  xml = async ({ name }: Domain) => this.#fake(name).xml;
  snapshots = async (domain: Domain) =>
    Object.keys(this.#fake(domain.name).snapshots).map((name) => ({ name, domain }));
  snapshot = async (domain: Domain, name: string) => {
    if (this.#fake(domain.name).snapshots[name] === undefined) throw libvirtError(72);
    return { name, domain };
  };
  currentSnapshot = async (domain: Domain) => {
    const { current } = this.#fake(domain.name);
    return current === undefined ? null : { name: current, domain };
  };
  snapshotXml = async ({ name, domain }: Snapshot) => this.#fake(domain.name).snapshots[name] ?? '';
  state = async ({ name }: Domain) => {
    await this.#first(`state ${name}`);
    return this.#fake(name).state;
  };

  revert = async ({ name, domain }: Snapshot) => this.#move(`revert ${domain.name} ${name}`, domain, PAUSED);
  destroy = async (domain: Domain) => this.#move(`destroy ${domain.name}`, domain, OFF);
  suspend = async (domain: Domain) => this.#move(`suspend ${domain.name}`, domain, PAUSED);
  resume = async (domain: Domain) => this.#move(`resume ${domain.name}`, domain, RUNNING);

  coreDump = async ({ name }: Domain, path: string) => {
    await this.#first(`coreDump ${name} ${path}`);
  };
  screenshot = async ({ name }: Domain) => {
    await this.#first(`screenshot ${name}`);
    return { mime: 'image/png', data: Buffer.from('\x89PNG\r\n\x1a\n', 'latin1') };
  };
  monitorCommand = async ({ name }: Domain, command: object) => {
    await this.#first(`monitor ${name} ${JSON.stringify(command)}`);
    return { return: '' };
  };

  onLifecycle = (listener: Lifecycle) => {
    this.#lifecycle.add(listener);
    return () => void this.#lifecycle.delete(listener);
  };
  onReconnect = (listener: () => void) => {
    this.#reconnect.add(listener);
    return () => void this.#reconnect.delete(listener);
  };

  async #move(call: string, { name }: Domain, state: DomainState): Promise<void> {
    this.calls.push(call);
    await this.#first(call);
    this.#fake(name).state = state;
  }

  async #first(call: string): Promise<void> {
    const at = this.before.findIndex((one) => one.call.test(call));
    if (at !== -1) await this.before.splice(at, 1)[0]?.act();
  }

  #fake(name: string): FakeDomain {
    const fake = this.fakes[name];
    if (fake === undefined) throw libvirtError(42);
    return fake;
  }

  #domain(name: string): Domain {
    const number = Object.keys(this.fakes).indexOf(name);
    return { name, uuid: Buffer.alloc(16, number), id: -1 };
  }
}
