import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ARTIFACTS } from '#domain/artifacts.js';
import type { Machine } from '#domain/machine.js';
import { CertificateAuthority } from '#network/fakenet/ca.js';
import { DEFAULT_ADDRESSES, type AddressPlan } from '#network/userspace/addresses.js';
import { UserspaceNetwork } from '#network/userspace/network.js';
import type { GuestNetwork, NetworkTask } from './lab.js';
import { knownRoute } from './labs/routes.js';
import { parseJson } from '../json.js';

/** ca.json: all PEM. */
const authorityPem = z.object({ certificate: z.string(), key: z.string(), leafKey: z.string() });

/** Agents listen here in every guest of the Cuckoo family. */
const AGENT_PORT = 8000;

/** The userspace networks of machines that have one: one a machine, by name, made when its first QEMU is about to start. */
export class Networks implements AsyncDisposable {
  readonly #open = new Map<string, Promise<UserspaceNetwork>>();

  constructor(
    private readonly dir: string,
    private readonly ca: CertificateAuthority,
    private readonly addresses: (machine: string) => AddressPlan = () => DEFAULT_ADDRESSES,
  ) {}

  /** The unix socket that the machine's network card connects to. */
  async wire(machine: string): Promise<string> {
    return (await this.#of(machine)).socketPath;
  }

  /** A connection to the machine's agent. */
  async dialAgent(machine: string, signal: AbortSignal, port = AGENT_PORT) {
    return (await this.#of(machine)).dial(port, signal);
  }

  /** @throws ROUTE_UNAVAILABLE, CAPTURE_FAILED */
  async openTask(machine: Machine, { dir, route, results }: NetworkTask): Promise<GuestNetwork> {
    const known = knownRoute(route, machine);
    const network = await this.#of(machine.name);
    const recording = await network.open({
      route: known,
      pcapPath: join(dir, ARTIFACTS.pcap),
      fakenetPath: join(dir, ARTIFACTS.fakenet),
      onResult: (stream) => results.accept(stream),
      resultServer: machine.resultServer,
    });
    const failed = new AbortController();
    recording.failure.catch((error: unknown) => failed.abort(error));
    return {
      failed: failed.signal,
      setClock: (aheadMs) => recording.setClock(aheadMs),
      finish: () => recording.finish(),
      [Symbol.asyncDispose]: () => recording[Symbol.asyncDispose](),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const networks = await Promise.allSettled(this.#open.values());
    for (const network of networks)
      if (network.status === 'fulfilled') await network.value[Symbol.asyncDispose]();
  }

  #of(machine: string): Promise<UserspaceNetwork> {
    const known = this.#open.get(machine);
    if (known !== undefined) return known;
    const made = UserspaceNetwork.listen({
      ...{ socketPath: join(this.dir, `${machine}.net`), ca: this.ca },
      addresses: this.addresses(machine),
    });
    this.#open.set(machine, made);
    made.catch(() => this.#open.delete(machine)); // the next test of the machine tries again
    return made;
  }
}

/** The authority whose certificates the default guest trusts: made once per guests folder, since it is part of the image. */
export async function guestAuthority(dir: string): Promise<CertificateAuthority> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const path = join(dir, 'ca.json');
  const kept = await readAuthority(path);
  if (kept !== null) return kept;
  const made = await CertificateAuthority.create();
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, JSON.stringify(made.pem), { mode: 0o600 });
  await rename(draft, path);
  return (await readAuthority(path)) ?? made; // two first starts at once: both use the one that stayed
}

/** Null when there is none, or none of this version: another one is made, and with it another guest. */
export async function readAuthority(path: string): Promise<CertificateAuthority | null> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'null';
    throw error;
  });
  const pem = authorityPem.safeParse(parseJson(text));
  const kept = pem.success ? CertificateAuthority.fromPem(pem.data) : null;
  return kept?.isForever === true ? kept : null;
}
