import { mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { IsNull, Not, type DataSource } from 'typeorm';
import { homePaths } from '#config/home.js';
import { openDistDatabase } from '#distribution/database.js';
import { DistReportRow, DistTaskRow, RemovalRow } from '#distribution/entities/dist-task.entity.js';
import { DIST_ENDED } from '#distribution/task.js';
import { Cleanup } from '../../apps/cleanup.js';
import { Killer } from '../support/chaos/killer.js';
import { startControllers, type Controllers } from '../support/distributed-lab/controllers.js';
import { Door } from '../support/distributed-lab/door.js';
import { readTasks } from '../support/distributed-lab/intake.js';
import { readMoves } from '../support/distributed-lab/moves.js';
import { LabNode, type LabNodeOptions } from '../support/distributed-lab/node.js';
import { doubles, wrongEnds, wrongReports } from '../support/distributed-lab/promises.js';
import { submission, type Submission } from '../support/distributed-lab/submissions.js';
import { build, freePort, processesOf } from '../support/malkoha.js';

/** MALKOHA_CHAOS_TASKS=20000 for a night. */
const TASKS = Number(process.env['MALKOHA_CHAOS_TASKS'] ?? 500);
const FAKES = 8;
/** Milliseconds between two kills: the shortest and the longest. */
const PEACE_MS = [2_000, 5_000] as const;
const SUBMITTERS = 4;
const LOOK_MS = 500;
const TIME_LIMIT_MS = 30 * 60_000;

test(
  'three nodes, two controllers, kill -9 everywhere, nodes that lose all: every task ends once, and nothing runs twice',
  async () => {
    await build();
    await using cleanup = new Cleanup();
    const lab = await mkdtemp(join(tmpdir(), 'dist-'));
    cleanup.defer(() => rm(lab, { recursive: true, force: true }));
    // A worker that is killed between making a QEMU's folder and writing it down leaves that folder, empty.
    cleanup.defer(async () => {
      for (const name of await readdir(tmpdir()))
        if (/^malkoha-n\d-/.test(name)) await rm(join(tmpdir(), name), { recursive: true });
    });
    await prove(lab);
    expect(await processesOf(lab)).toEqual([]);
  },
  TIME_LIMIT_MS,
);

async function prove(lab: string): Promise<void> {
  const began = performance.now();
  await using cleanup = new Cleanup();
  const node = async (options: Omit<LabNodeOptions, 'lab' | 'port'>): Promise<LabNode> => {
    const started = await LabNode.start({ lab, port: await freePort(), ...options });
    cleanup.defer(() => started.stop());
    return started;
  };
  const [real, second, third] = await Promise.all([
    node({ name: 'n1', machinery: 'qemu', machines: 1, token: '' }),
    node({ name: 'n2', machinery: 'fake', machines: FAKES, token: 'token-of-the-second-node' }),
    node({ name: 'n3', machinery: 'fake', machines: FAKES, token: '' }),
  ]);
  const nodes = [real, second, third];
  const controllers = cleanup.use(await startControllers(lab, ['c1', 'c2']));
  const db = await openDistDatabase(controllers.connection, lab);
  cleanup.defer(() => db.destroy());
  const killer = new Killer(
    () => [controllers, ...nodes].flatMap(({ processes, services }) => [...processes, ...services]),
    { peaceMs: PEACE_MS },
  );
  cleanup.defer(() => killer.stop());
  const over = new AbortController();
  cleanup.defer(() => over.abort());
  const door = new Door(controllers.urls, over.signal);
  const ended = (share: number) => untilEnded(db, Math.floor(TASKS * share), over.signal);

  for (const one of nodes) await door.register(one);
  const accepted = new Map<number, Submission>();
  let next = 0;
  const submitter = async (): Promise<void> => {
    for (let n = next++; n < TASKS; n = next++) {
      const what = submission(n);
      const id = await door.submit(what, second.name);
      accepted.set(id, what);
      if (what.kind === 'deleted') await door.delete(id);
    }
  };
  const mishaps = async (): Promise<void> => {
    // One is reinstalled behind the back of the controllers: others' tasks get the ids that theirs had.
    await ended(0.25);
    await killer.between(() => second.powerOff());
    await second.wipe();
    await second.begin();
    // One is broken, taken out, and comes back empty under its name.
    await ended(0.5);
    await killer.between(() => third.powerOff());
    await door.takeOut(third);
    await third.wipe();
    await third.begin();
    await door.register(third);
  };
  await Promise.all([mishaps(), ...Array.from({ length: SUBMITTERS }, submitter)]);
  await ended(0.8);
  await killer.stop(); // the last ones are not killed any more: they show that it heals
  await ended(1);
  await nothingToRemove(db, over.signal);

  const rows = await db.manager.find(DistTaskRow);
  const reports = await db.manager.find(DistReportRow);
  const moves = await readMoves(controllers.connection);
  const perNode = await Promise.all(nodes.map((one) => one.intake()));
  const lost = nodes.flatMap(({ earlier }) => earlier);
  const kills = [...controllers.processes, ...controllers.services].map(
    (one) => [one.name, one.kills] as const,
  );
  process.stdout.write(
    `distributed chaos: ${JSON.stringify({
      tasks: rows.length,
      seconds: Math.round((performance.now() - began) / 1000),
      states: countBy(rows.map(({ state }) => state)),
      kills: Object.fromEntries([...kills, ...nodes.flatMap((one) => [...one.kills])]),
      came_in: Object.fromEntries(nodes.map(({ name }, n) => [name, perNode[n]?.length])),
      lost_with_nodes: lost.flat().length,
      given_up: [...moves.values()].filter((of) => new Set(of.map(({ mark }) => mark)).size > 1).length,
      reports: reports.length,
    })}\n`,
  );

  expect(new Set(rows.map(({ id }) => id))).toEqual(new Set(accepted.keys()));
  expect(wrongEnds(moves, accepted)).toEqual([]);
  expect(doubles(perNode, lost)).toEqual([]);
  const finished = rows.filter(({ state }) => state === 'finished');
  const wrong = finished.map(({ id }) =>
    wrongReports(
      join(controllers.reportsDirectory, String(id)),
      { task: id, what: accepted.get(id) },
      reports.filter(({ taskId }) => taskId === id),
    ),
  );
  expect((await Promise.all(wrong)).flat()).toEqual([]);

  // On the nodes is what failed there, to be looked at, and nothing else.
  const failed = new Set(rows.filter(({ state }) => state === 'failed').map(({ mark }) => mark));
  const left = await Promise.all(nodes.map(({ dir }) => readTasks(homePaths(dir).database)));
  expect(left.flat().filter(({ owner }) => !failed.has(owner ?? ''))).toEqual([]);
  // Here is nothing that killed controllers left, once it is an hour old and one that starts has looked.
  await hoursPass([controllers.samplesDirectory, controllers.reportsDirectory]);
  controllers.processes[0]?.kill();
  const deleted = rows.filter(({ state }) => state === 'deleted').map(({ id }) => String(id));
  while ((await leftHere(controllers, new Set(deleted))).length > 0)
    await sleep(LOOK_MS, undefined, { signal: over.signal });
}

/** Until so many tasks have. */
async function untilEnded(db: DataSource, wanted: number, signal: AbortSignal): Promise<void> {
  const where = DIST_ENDED.map((state) => ({ state }));
  const count = async () => db.manager.count(DistTaskRow, { where }).catch(() => 0); // it was killed just then
  while ((await count()) < wanted) await sleep(LOOK_MS, undefined, { signal });
}

/** Until the nodes are rid of all that is done with here. What may still be on its way to one is looked for longer. */
async function nothingToRemove(db: DataSource, signal: AbortSignal): Promise<void> {
  const where = { remoteId: Not(IsNull()) };
  while ((await db.manager.count(RemovalRow, { where })) > 0) await sleep(LOOK_MS, undefined, { signal });
}

/** For what is in the folders. */
async function hoursPass(folders: readonly string[]): Promise<void> {
  const old = new Date(Date.now() - 2 * 3_600_000);
  for (const folder of folders)
    for (const name of await readdir(folder)) await utimes(join(folder, name), old, old);
}

/** Samples, and reports of deleted tasks. */
async function leftHere(controllers: Controllers, deleted: ReadonlySet<string>): Promise<readonly string[]> {
  const reports = await readdir(controllers.reportsDirectory);
  return [...(await readdir(controllers.samplesDirectory)), ...reports.filter((name) => deleted.has(name))];
}

function countBy(words: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}
