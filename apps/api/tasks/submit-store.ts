import type { EntityManager } from 'typeorm';
import { quoted } from '#domain/quoted.js';
import type { Submission } from '#domain/task.js';
import { SubmitRow, type SubmittedItem } from '#storage/entities/submit.entity.js';
import { insertSample, insertTask, type InsertedSample } from '#storage/insert-task.js';
import type { Accepted, Stored } from './accept.js';
import { ALREADY_SUBMITTED } from './created.js';
import type { Item, Items } from './submit-items.js';
import { submitOptions } from './submit-options.js';
import type { Upload } from './upload.js';

export interface Submitted {
  readonly submit_id: number;
  readonly task_ids: readonly number[];
  readonly errors: readonly string[];
}

export interface Wanted extends Items {
  /** What every task asks for. */
  readonly wanted: Submission;
  /** `unique`: files that are known already become no tasks. */
  readonly unique: 'unique' | 'any';
}

/** Inside a transaction: the request, its samples, and a task for each item. */
export async function storeItems(db: EntityManager, request: Wanted): Promise<Accepted<Submitted>> {
  const samples = await storeSamples(db, request.items);
  const { known, errors } = knownFiles(request, samples);
  const all = [...request.errors, ...errors];
  const isText = request.items.every(({ category }) => category === 'url');
  const row = await db.insert(SubmitRow, {
    added: new Date(),
    submitType: isText ? 'strings' : 'files',
    data: { tasks: [], errors: all },
  });
  const submitId = (row.identifiers[0] as { id: number }).id;

  const tasks: Stored[] = [];
  const shown: SubmittedItem[] = [];
  for (const item of request.items) {
    if (item.category !== 'url' && known.has(item.sent)) continue;
    const submission = submissionOf(item, request.wanted);
    const sample = sampleOf(item);
    const sampleId = (sample && samples.get(sample.sha256)?.id) ?? null;
    const id = await insertTask(db, submission, { sampleId, submitId });
    tasks.push({ ...submission, id });
    shown.push(shownItem(item, id, shown));
  }
  await db.update(SubmitRow, submitId, { data: { tasks: shown, errors: all } });
  return { answer: { submit_id: submitId, task_ids: tasks.map(({ id }) => id), errors: all }, tasks };
}

/**
 * A sample, by its SHA-256, for each file as it was sent, containers too: who asks for its hash finds it. In order: two
 * transactions that store the same new samples must not wait for each other's.
 */
async function storeSamples(
  db: EntityManager,
  items: readonly Item[],
): Promise<ReadonlyMap<string, InsertedSample>> {
  const all = items.flatMap((item) => (item.category === 'url' ? [] : [item.sent.sample, sampleOf(item)]));
  const wanted = new Map(all.flatMap((sample) => (sample === null ? [] : [[sample.sha256, sample]])));
  const stored = new Map<string, InsertedSample>();
  for (const sha256 of [...wanted.keys()].toSorted()) {
    const sample = wanted.get(sha256);
    if (sample) stored.set(sha256, await insertSample(db, sample));
  }
  return stored;
}

/** Of the files that were known before, or came before in the same request, `unique` wants no tasks. */
function knownFiles(
  { items, unique }: Wanted,
  samples: ReadonlyMap<string, InsertedSample>,
): { readonly known: ReadonlySet<Upload>; readonly errors: readonly string[] } {
  const sent = new Set(items.flatMap((item) => (item.category === 'url' ? [] : [item.sent])));
  const known = new Set<Upload>();
  const earlier = new Set<string>();
  for (const upload of sent) {
    const { sha256 } = upload.sample;
    const isNew = samples.get(sha256)?.isNew === true && !earlier.has(sha256);
    if (unique === 'unique' && !isNew) known.add(upload);
    earlier.add(sha256);
  }
  return { known, errors: [...known].map(({ name }) => `${quoted(name)}: ${ALREADY_SUBMITTED}`) };
}

function submissionOf(item: Item, wanted: Submission): Submission {
  switch (item.category) {
    case 'url':
      return { ...wanted, category: 'url', target: item.url, options: submitOptions(wanted.options) };
    case 'file':
      return { ...wanted, category: 'file', target: item.sent.name, options: submitOptions(wanted.options) };
    case 'archive': {
      const options = submitOptions(wanted.options, { filename: item.member.path });
      return { ...wanted, category: 'archive', target: item.archive.name, options };
    }
  }
}

function sampleOf(item: Item): Upload['sample'] | null {
  if (item.category === 'url') return null;
  return item.category === 'file' ? item.sent.sample : item.archive.sample;
}

/** Contents that came before in the same request are marked. */
function shownItem(item: Item, id: number, earlier: readonly SubmittedItem[]): SubmittedItem {
  if (item.category === 'url') return { id, name: item.url, sha256: null, duplicateOf: null };
  const isMember = item.category === 'archive';
  const sha256 = isMember ? item.member.sha256 : item.sent.sample.sha256;
  const name = isMember ? `${item.sent.name}: ${item.member.path}` : item.sent.name;
  return { id, name, sha256, duplicateOf: earlier.find((one) => one.sha256 === sha256)?.id ?? null };
}
