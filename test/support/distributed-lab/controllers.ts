import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { homePaths } from '#config/home.js';
import { Cleanup } from '../../../apps/cleanup.js';
import { crashingPostgres, crashingRedis, type Crashing } from '../chaos/services.js';
import { Supervised } from '../chaos/supervised.js';
import { freePort, ROOT } from '../malkoha.js';
import { startPostgres } from '../postgres.js';
import { installMoves } from './moves.js';

/** Times that one is asked whether it is there, 100 ms apart. */
const START_TRIES = 600;

/** Controllers of one PostgreSQL and one Redis, each a supervised process with a port of its own. */
export interface Controllers extends AsyncDisposable {
  /** Of its PostgreSQL. */
  readonly connection: string;
  readonly reportsDirectory: string;
  readonly samplesDirectory: string;
  readonly processes: readonly Supervised[];
  readonly services: readonly Crashing[];
  /** Base of each one's API, without a slash at the end. */
  readonly urls: readonly string[];
}

/** Resolves when each has answered. `lab` is the folder for their homes and logs. */
export async function startControllers(lab: string, names: readonly string[]): Promise<Controllers> {
  await using cleanup = new Cleanup();
  const postgres = cleanup.use(await startPostgres(['fsync=on']));
  const redis = cleanup.use(await crashingRedis(homePaths(join(lab, 'redis')).redis));
  const connection = await postgres.database();
  await installMoves(connection);
  const reportsDirectory = join(lab, 'reports');
  const samplesDirectory = join(lab, 'samples');
  const ports = await Promise.all(names.map(freePort));
  const processes: Supervised[] = [];
  const urls = ports.map((port) => `http://127.0.0.1:${port}`);
  const main = join(ROOT, 'dist', 'apps', 'distributed', 'main.js');
  for (const [n, name] of names.entries()) {
    const home = homePaths(join(lab, name));
    await mkdir(home.conf, { recursive: true });
    await writeFile(
      join(home.conf, 'distributed.conf'),
      `[distributed]\nport = ${ports[n] ?? 0}\ndb = ${connection.replaceAll('%', '%%')}\n` +
        `samples_directory = ${samplesDirectory}\nreports_directory = ${reportsDirectory}\n` +
        'report_formats = json,html\npcap = yes\nfreespace = 0\ninterval = 2\n' +
        `[nodes]\nconnect_timeout = 5\nanswer_timeout = 20\n[queue]\nconnection = ${redis.connection}\n`,
    );
    const controller = new Supervised(name, [main, '--home', home.dir], join(lab, `${name}.log`));
    cleanup.defer(() => controller.stop());
    processes.push(controller);
  }
  await Promise.all(urls.map(answers));
  const owned = cleanup.move();
  return {
    ...{ connection, reportsDirectory, samplesDirectory, processes, urls },
    services: [redis.service, crashingPostgres(postgres)],
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

async function answers(url: string): Promise<void> {
  for (let tries = 0; tries < START_TRIES; tries += 1) {
    if ((await fetch(`${url}/api/node`).catch(() => null))?.status === 200) return;
    await sleep(100);
  }
  throw new Error(`no controller answers at ${url}`);
}
