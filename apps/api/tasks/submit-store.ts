import type { EntityManager } from 'typeorm';
import { quoted } from '#domain/quoted.js';
import type { Submission } from '#domain/task.js';
import { SubmitRow, type SubmittedItem } from '#storage/entities/submit.entity.js';
import { insertSample, insertTask } from '#storage/insert-task.js';
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
  const { known, errors } = await knownFiles(db, request);
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
    const sampleId = sample && (await insertSample(db, sample)).id;
    const id = await insertTask(db, submission, { sampleId, submitId });
    tasks.push({ ...submission, id });
    shown.push(shownItem(item, id, shown));
  }
  await db.update(SubmitRow, submitId, { data: { tasks: shown, errors: all } });
  return { answer: { submit_id: submitId, task_ids: tasks.map(({ id }) => id), errors: all }, tasks };
}

/**
 * A sample for each file as it was sent, containers too: who asks for its hash finds it. Of those that are known
 * already, `unique` wants no tasks.
 */
async function knownFiles(
  db: EntityManager,
  { items, unique }: Wanted,
): Promise<{ readonly known: ReadonlySet<Upload>; readonly errors: readonly string[] }> {
  const sent = new Set(items.flatMap((item) => (item.category === 'url' ? [] : [item.sent])));
  const known = new Set<Upload>();
  for (const upload of sent) {
    const { isNew } = await insertSample(db, upload.sample);
    if (unique === 'unique' && !isNew) known.add(upload);
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
