import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { homePaths, type HomePaths } from '#config/home.js';
import { loadSettings } from '#config/settings.js';
import { SandboxError } from '#domain/errors.js';
import { confVariables } from '../../conf-variables.js';
import { addressUrl } from '../address.js';
import { Client, type Fields } from '../client.js';
import { findEndpoint, OVER_REST, type ConnectionValues } from '../connection.js';
import { followTask } from '../follow.js';
import { interruptible } from '../interrupt.js';
import { startLab, type Lab } from '../lab/lab.js';
import { chosenMachinery } from '../lab/machinery.js';
import { daemonFile, readDaemon } from '../lab/lockfile.js';
import { homeFolder, parse } from '../options.js';
import { printJson } from '../print.js';
import { createProgress, type Progress } from '../progress.js';
import { ensurePackages, labPackages } from '../setup/host-packages.js';
import { SUBMISSION, submissionFields, submitTarget, targetName } from '../submission.js';
import { jsonResult, summarize, type Result } from '../summary.js';
import { findTargets, type Target } from '../targets.js';
import { visible } from '../text.js';

const OPTIONS = { ...SUBMISSION, ...OVER_REST, machinery: { type: 'string' } } as const;

const START_POLL_MS = 500;

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('analyze', args, OPTIONS);
  if (positionals.length === 0)
    throw new SandboxError('USAGE', 'analyze: name at least one file, folder or URL');
  const fields = submissionFields(values);
  const targets = await findTargets(positionals);
  const home = homePaths(homeFolder(values.home));
  const progress = createProgress();

  return interruptible(async (signal, onSecond) => {
    await using daemon = await reachDaemon(values, home, progress, signal);
    onSecond(() => daemon.lab?.kill());
    const results = await Promise.race([
      analyzeAll(daemon, targets, fields, progress, signal),
      daemon.broken,
    ]);
    progress.done();
    if (values.json === true) {
      const documents = results.map((result) => jsonResult(result));
      printJson(documents.length === 1 ? documents[0] : documents);
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
  /** Where it keeps what it stored, when its home folder is ours: that can be named by path. */
  readonly analyses: string | null;
  /** Ours, to be ended at the end; null when it was running before. */
  readonly lab: Lab | null;
  readonly broken: Promise<never>;
}

/** The daemon named by options, else the one of this home folder, else a new one. */
async function reachDaemon(
  values: ConnectionValues & { readonly machinery?: string },
  home: HomePaths,
  progress: Progress,
  signal: AbortSignal,
): Promise<Daemon> {
  const { host, port, token, guarded, named, analyses } = await findEndpoint(values, home);
  const { settings } = await loadSettings(home.conf, confVariables(home.dir));
  const machinery = chosenMachinery(values.machinery, settings);
  if (named) {
    const url = addressUrl(host, port);
    const client = new Client({ url, token }, signal);
    if (await client.answers()) return borrowed(client, values, null);
    throw new SandboxError('DAEMON_UNREACHABLE', `no daemon answers at ${url}`);
  }
  for (;;) {
    const running = await readDaemon(daemonFile(home));
    if (running === null) break;
    const client = new Client({ url: running.url, token }, signal);
    if (await client.answers()) return borrowed(client, values, analyses);
    // It may be building its guest: that takes minutes, once.
    progress.now(`waiting for the daemon that pid ${running.pid} is starting`);
    await sleep(START_POLL_MS, undefined, { signal });
  }
  if (token === undefined && guarded) {
    throw new SandboxError('TOKEN_NEEDED', 'the API will ask for one of [tokens] in cuckoo.conf');
  }
  await ensurePackages(labPackages(machinery), (line) => progress.say(line));
  progress.now('starting the lab');
  const lab = await startLab(
    { home, host, port, machinery: values.machinery, machines: undefined, quiet: true, progress },
    signal,
  );
  return {
    client: new Client({ url: lab.url, token }, signal),
    analyses,
    lab,
    broken: lab.broken,
    [Symbol.asyncDispose]: () => lab[Symbol.asyncDispose](),
  };
}

/** @throws USAGE for a machinery: what runs already has its own */
function borrowed(
  client: Client,
  { machinery }: { readonly machinery?: string },
  analyses: string | null,
): Daemon {
  if (machinery !== undefined) {
    const message = `--machinery is for a lab that analyze starts, but a daemon runs at ${client.url}: give that one's \`up\` the option`;
    throw new SandboxError('USAGE', message);
  }
  return {
    client,
    analyses,
    lab: null,
    broken: new Promise<never>(() => {}),
    [Symbol.asyncDispose]: async () => {},
  };
}

/** Submits all, then follows all: machines work at the same time. */
async function analyzeAll(
  daemon: Daemon,
  targets: readonly Target[],
  fields: Fields,
  progress: Progress,
  signal: AbortSignal,
): Promise<readonly Result[]> {
  const submitted: { target: Target; task: number }[] = [];
  for (const target of targets) {
    signal.throwIfAborted();
    submitted.push({ target, task: await submitTarget(daemon.client, target, fields) });
  }
  return Promise.all(
    submitted.map(async ({ target, task }) => {
      const name = targetName(target);
      const end = await followTask(daemon.client, { task, name, many: targets.length > 1 }, progress, signal);
      return {
        ...end,
        task,
        name,
        report: end.failure === null ? await daemon.client.jsonReport(task) : null,
        dir: daemon.analyses === null ? null : join(daemon.analyses, String(task)),
        url: `${daemon.client.url}/tasks/report/${task}/html`,
      };
    }),
  );
}
