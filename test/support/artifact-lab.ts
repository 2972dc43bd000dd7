import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { homePaths, withArtifacts, type HomePaths } from '#config/home.js';
import { ARTIFACTS } from '#domain/artifacts.js';
import type { Task, TaskStatus } from '#domain/task.js';
import { Bucket } from '#storage/artifacts/bucket.js';
import { LocalArtifacts } from '#storage/artifacts/local.js';
import { S3Artifacts } from '#storage/artifacts/s3.js';
import type { ArtifactStore, RunState } from '#storage/artifacts/store.js';
import { Cleanup } from '../../apps/cleanup.js';
import { BUCKET, startS3, type TestS3 } from './s3-server.js';
import { aTask } from './task.js';

export const never = new AbortController().signal;
export const SAMPLE = 'the sample';
export const SHA256 = createHash('sha256').update(SAMPLE).digest('hex');

export interface Host {
  readonly home: HomePaths;
  readonly store: ArtifactStore;
}

/** Hosts over one store, and the rows that say which run is a task's. */
export interface ArtifactLab extends AsyncDisposable {
  readonly rows: Map<number, RunState>;
  /** Null: a folder that the hosts share. */
  readonly s3: TestS3 | null;
  /** A process on a host; the same name, the same home folder. */
  host(name: string, cacheBytes?: number): Promise<Host>;
}

export async function openLab(kind: 'folder' | 's3'): Promise<ArtifactLab> {
  await using cleanup = new Cleanup();
  const dir = await mkdtemp(join(tmpdir(), 'artifacts-'));
  cleanup.defer(() => rm(dir, { recursive: true, force: true }));
  const s3 = kind === 's3' ? cleanup.use(await startS3()) : null;
  const rows = new Map<number, RunState>();
  const states = async (task: number) => rows.get(task) ?? null;
  const owned = cleanup.move();
  return {
    rows,
    s3,
    host: async (name, cacheBytes = 0) => {
      const home = withArtifacts(homePaths(join(dir, name)), s3 ? '' : join(dir, 'shared'));
      await mkdir(home.binaries, { recursive: true });
      const bucket = {
        bucket: BUCKET,
        prefix: 'some/where',
        endpoint: s3?.url ?? '',
        region: 'us-east-1',
        accessKey: 'S3RVER',
        secretKey: 'S3RVER',
      };
      const store = s3
        ? new S3Artifacts({ bucket: new Bucket(bucket), places: home, states, cacheBytes })
        : new LocalArtifacts(home, states);
      owned.use(store);
      return { home, store };
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

export function row(epoch: number, status: TaskStatus, completedOn: Date | null = new Date()): RunState {
  return { epoch, status, completedOn };
}

/** A task for the sample. */
export function task(id: number): Task {
  const { sample } = aTask();
  return aTask({ id, sample: sample && { ...sample, sha256: SHA256 } });
}

export async function putSample({ home, store }: Host): Promise<void> {
  await writeFile(join(home.binaries, SHA256), SAMPLE);
  await store.putSample(SHA256, never);
}

/** What a run leaves; `said` tells runs apart. */
export async function run({ store }: Host, id: number, epoch: number, said: string): Promise<string> {
  const dir = await store.begin(task(id), epoch, never);
  await writeFile(join(dir, 'dump.pcap'), said);
  await mkdir(join(dir, 'files', 'deep'));
  await writeFile(join(dir, 'files', 'deep', 'a b é+%.exe'), `dropped by ${said}`);
  await writeFile(join(dir, ARTIFACTS.task), JSON.stringify({ said }));
  return dir;
}

/** Paths below a folder and what is there: text, a link's target, or null for a folder. Without the mark of the run. */
export async function contentOf(dir: string): Promise<Readonly<Record<string, string | null>>> {
  const found: Record<string, string | null> = {};
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(dir.length + 1);
    if (name.startsWith('.run.json')) continue;
    if (entry.isSymbolicLink()) found[name] = `→ ${await readlink(path)}`;
    else found[name] = entry.isDirectory() ? null : await readFile(path, 'utf8');
  }
  return found;
}
