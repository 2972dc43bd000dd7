import { loadDistributed } from '#config/distributed-settings.js';
import { homePaths, withArtifacts, type HomePaths } from '#config/home.js';
import { loadSettings } from '#config/settings.js';
import { SandboxError } from '#domain/errors.js';
import { confVariables } from '../conf-variables.js';
import { addressUrl, type Address } from './address.js';
import { Client } from './client.js';
import { interruptible } from './interrupt.js';
import { daemonFile, readDaemon } from './lab/lockfile.js';
import { homeFolder, wholeNumber } from './options.js';
import { createProgress, type Progress } from './progress.js';

/** Where the daemon is: the same options for every command that talks to one. */
export const CONNECTION = {
  home: { type: 'string' },
  host: { type: 'string' },
  port: { type: 'string' },
  token: { type: 'string' },
} as const;

/** What the commands over the REST API take, each with options of its own. */
export const OVER_REST = { ...CONNECTION, json: { type: 'boolean' } } as const;

export interface ConnectionValues {
  readonly home?: string;
  readonly host?: string;
  readonly port?: string;
  readonly token?: string;
}

export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly token: string | undefined;
  /** The home folder's own daemon asks for a token. */
  readonly guarded: boolean;
  /** storage/analyses of the home folder's own daemon, wherever it is. */
  readonly analyses: string;
  /** By `--host` or `--port`: then no other is looked for. */
  readonly named: boolean;
}

/** The options, over cuckoo.conf of the home folder. @throws USAGE, CONFIG_INVALID */
export async function findEndpoint(values: ConnectionValues, home: HomePaths): Promise<Endpoint> {
  mustNameHost(values);
  const { cuckoo: conf } = (await loadSettings(home.conf, confVariables(home.dir))).settings;
  return {
    ...over(values, { host: conf.api.host, port: conf.api.port, token: conf.cuckoo.api_token }),
    guarded: conf.cuckoo.api_token !== '' || conf.tokens.length > 0,
    analyses: withArtifacts(home, conf.artifacts.location).analyses,
  };
}

/** What the options say, over what a home folder has for its own daemon. */
function over(
  values: ConnectionValues,
  own: { readonly host: string; readonly port: number; readonly token: string },
): Pick<Endpoint, 'host' | 'port' | 'token' | 'named'> {
  const port = wholeNumber('port', values.port, { min: 1, max: 65_535 });
  // The token of this home is for its own daemon; a host that was named must not be shown it.
  const token = values.host === undefined && own.token !== '' ? own.token : undefined;
  return {
    host: values.host ?? own.host,
    port: port ?? own.port,
    token: values.token ?? process.env['MALKOHA_TOKEN'] ?? token,
    named: values.host !== undefined || values.port !== undefined,
  };
}

/** @throws USAGE */
function mustNameHost({ host }: ConnectionValues): void {
  if (host === undefined || /^[\w.:-]+$/.test(host)) return;
  throw new SandboxError(
    'USAGE',
    `--host takes a name or an IP address, and --port a port, not ${JSON.stringify(host)}`,
  );
}

interface Session {
  readonly client: Client;
  /** Aborts with Ctrl-C, and every request of the client with it. */
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/**
 * Runs `work` with a client of the daemon: the named one, else the one that runs on this home folder, else the one at
 * the address in its cuckoo.conf.
 */
export async function withClient(
  values: ConnectionValues,
  work: (session: Session) => Promise<number>,
): Promise<number> {
  const home = homePaths(homeFolder(values.home));
  return withAddress(await addressOf(await findEndpoint(values, home), daemonFile(home)), work);
}

/** The same of the Distributed API, whose file is distributed.conf. */
export async function withController(
  values: ConnectionValues,
  work: (session: Session) => Promise<number>,
): Promise<number> {
  mustNameHost(values);
  const home = homePaths(homeFolder(values.home));
  const { host, port, apiToken: token } = (await loadDistributed(home, confVariables(home.dir))).settings;
  const endpoint = over(values, { host, port, token });
  return withAddress(await addressOf(endpoint, home.distributed.daemon), work);
}

async function addressOf(
  { host, port, token, named }: Pick<Endpoint, 'host' | 'port' | 'token' | 'named'>,
  daemon: string,
): Promise<Address> {
  const running = named ? null : await readDaemon(daemon);
  return { url: running?.url ?? addressUrl(host, port), token };
}

function withAddress(address: Address, work: (session: Session) => Promise<number>): Promise<number> {
  const progress = createProgress();
  // The daemon goes on after a Ctrl-C: there is nothing to hand back, and nothing to say.
  const onFirst = (): void => {};
  return interruptible(
    async (signal) => {
      const ended = new AbortController();
      try {
        const client = new Client(address, AbortSignal.any([signal, ended.signal]));
        return await work({ client, signal, progress });
      } finally {
        ended.abort(); // an answer that was not read to its end would keep us
      }
    },
    progress,
    onFirst,
  );
}
