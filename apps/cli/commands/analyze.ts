import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { homePaths, type HomePaths } from '#config/home.js';
import { loadSettings } from '#config/settings.js';
import { SandboxError } from '#domain/errors.js';
import { Client, type Fields } from '../client.js';
import { interruptible } from '../interrupt.js';
import { daemonFile, readDaemon } from '../lab/lockfile.js';
import { addressUrl, startLab, type Lab } from '../lab/lab.js';
import { homeFolder, parse, wholeNumber } from '../options.js';
import { createProgress, type Progress } from '../progress.js';
import { ensurePackages, LAB_PACKAGES } from '../setup/host-packages.js';
import { jsonResult, summarize, type Result } from '../summary.js';
import { visible } from '../text.js';
import { findTargets, type Target } from '../targets.js';
import { followTask } from '../follow.js';

const OPTIONS = {
  timeout: { type: 'string' },
  package: { type: 'string' },
  options: { type: 'string' },
  machine: { type: 'string' },
  platform: { type: 'string' },
  tags: { type: 'string' },
  json: { type: 'boolean' },
  home: { type: 'string' },
  host: { type: 'string' },
  port: { type: 'string' },
  token: { type: 'string' },
} as const;

const START_POLL_MS = 500;

/** A day: longer runs are a mistake more often than a wish. */
const MAX_TIMEOUT_SECONDS = 86_400;

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('analyze', args, OPTIONS);
  if (positionals.length === 0)
    throw new SandboxError('USAGE', 'analyze: name at least one file, folder or URL');
  const timeout = wholeNumber('timeout', values.timeout, { min: 1, max: MAX_TIMEOUT_SECONDS });
  const targets = await findTargets(positionals);
  const fields = submissionFields(values, timeout);
  const home = homePaths(homeFolder(values.home));
  const progress = createProgress();

  return interruptible(async (signal, onSecond) => {
    await using daemon = await reachDaemon(values, home, progress, signal);
    onSecond(() => daemon.lab?.kill());
    const results = await Promise.race([
      analyzeAll(daemon, home, targets, fields, progress, signal),
      daemon.broken,
    ]);
    progress.done();
    if (values.json === true) {
      const documents = results.map((result) => jsonResult(result));
      process.stdout.write(`${JSON.stringify(documents.length === 1 ? documents[0] : documents, null, 2)}\n`);
    } else {
      for (const result of results)
        process.stdout.write(summarize(result, { daemonStays: daemon.lab === null }));
    }
    for (const { name, failure } of results) {
      if (failure !== null) process.stderr.write(`malkoha: ${visible(name)}: ${visible(failure)}\n`);
    }
    if (daemon.lab !== null) await finishOthers(daemon.client, progress, signal);
    return results.every(({ failure }) => failure === null) ? 0 : 1;
  }, progress);
}

/** Another `analyze`, or any REST client, may use our lab by now; and what an interrupted run left pending runs too. */
async function finishOthers(client: Client, progress: Progress, signal: AbortSignal): Promise<void> {
  for (let said = false; ; said = true) {
    const waiting = await client.unfinished();
    if (waiting === 0) return;
    if (!said)
      progress.say(`${waiting} more tasks use this lab; it ends after them (Ctrl-C: now; they stay pending)`);
    await sleep(START_POLL_MS, undefined, { signal });
  }
}

interface Daemon extends AsyncDisposable {
  readonly client: Client;
  readonly url: string;
  /** Its home folder is ours: what it stored can be named by path. */
  readonly local: boolean;
  /** Ours, to be ended at the end; null when it was running before. */
  readonly lab: Lab | null;
  readonly broken: Promise<never>;
}

/** The daemon named by options, else the one of this home folder, else a new one. */
async function reachDaemon(
  values: { host?: string; port?: string; token?: string },
  home: HomePaths,
  progress: Progress,
  signal: AbortSignal,
): Promise<Daemon> {
  const { settings } = await loadSettings(home.conf);
  const token =
    values.token ?? process.env['MALKOHA_TOKEN'] ?? (settings.cuckoo.cuckoo.api_token || undefined);
  const host = values.host ?? settings.cuckoo.api.host;
  const port = wholeNumber('port', values.port, { min: 1, max: 65_535 }) ?? settings.cuckoo.api.port;
  const named = values.host !== undefined || values.port !== undefined;
  if (named) {
    const url = addressUrl(host, port);
    const client = new Client({ url, token });
    if (await client.answers()) return borrowed(client, url, false);
    throw new SandboxError('DAEMON_UNREACHABLE', `no daemon answers at ${url}`);
  }
  for (;;) {
    const running = await readDaemon(daemonFile(home));
    if (running === null) break;
    const client = new Client({ url: running.url, token });
    if (await client.answers()) return borrowed(client, running.url, true);
    // It may be building its guest: that takes minutes, once.
    progress.now(`waiting for the daemon that pid ${running.pid} is starting`);
    await sleep(START_POLL_MS, undefined, { signal });
  }
  if (token === undefined && settings.cuckoo.tokens.length > 0) {
    throw new SandboxError('TOKEN_NEEDED', 'the API will ask for one of [tokens] in cuckoo.conf');
  }
  await ensurePackages(LAB_PACKAGES, (line) => progress.say(line));
  progress.now('starting the lab');
  const lab = await startLab({ home, host, port, machines: undefined, quiet: true, progress }, signal);
  return {
    client: new Client({ url: lab.url, token }),
    url: lab.url,
    local: true,
    lab,
    broken: lab.broken,
    [Symbol.asyncDispose]: () => lab[Symbol.asyncDispose](),
  };
}

function borrowed(client: Client, url: string, local: boolean): Daemon {
  return {
    client,
    url,
    local,
    lab: null,
    broken: new Promise<never>(() => {}),
    [Symbol.asyncDispose]: async () => {},
  };
}

/** Submits all, then follows all: machines work at the same time. */
async function analyzeAll(
  daemon: Daemon,
  home: HomePaths,
  targets: readonly Target[],
  fields: Fields,
  progress: Progress,
  signal: AbortSignal,
): Promise<readonly Result[]> {
  const submitted: { target: Target; task: number }[] = [];
  for (const target of targets) {
    signal.throwIfAborted();
    const task =
      target.kind === 'file'
        ? await daemon.client.submitFile(target.path, fields)
        : await daemon.client.submitUrl(target.url, fields);
    submitted.push({ target, task });
  }
  return Promise.all(
    submitted.map(async ({ target, task }) => {
      const name = target.kind === 'file' ? target.path : target.url;
      const end = await followTask(daemon.client, { task, name, many: targets.length > 1 }, progress, signal);
      return {
        ...end,
        task,
        name,
        dir: daemon.local ? join(home.analyses, String(task)) : null,
        url: `${daemon.url}/tasks/report/${task}/html`,
      };
    }),
  );
}

function submissionFields(
  values: { package?: string; options?: string; machine?: string; platform?: string; tags?: string },
  timeout: number | undefined,
): Fields {
  const given = {
    package: values.package,
    options: values.options,
    machine: values.machine,
    platform: values.platform,
    tags: values.tags,
    timeout: timeout === undefined ? undefined : String(timeout),
  };
  return Object.fromEntries(
    Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
