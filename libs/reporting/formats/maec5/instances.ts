import type { DroppedFile, Report } from '#domain/report.js';
import { first } from '../maec/choose.js';
import { fileFacts } from './observables.js';
import { append, type PackageBuilder } from './package.js';

const DROPPED = 1000;

/** The observable that was run. */
export function addTarget({ target }: Report, to: PackageBuilder): string {
  return target.category === 'url'
    ? to.observables.put({ type: 'url', value: target.url })
    : to.observables.put({
        type: 'file',
        ...fileFacts(target.file),
        ...to.observables.place(target.file.name),
      });
}

/** One malware instance for each content that was dropped, related to the one that dropped it. */
export function addDropped({ dropped = [] }: Report, dropper: string, to: PackageBuilder): void {
  const byHash = new Map<string, DroppedFile[]>();
  for (const file of first(dropped, DROPPED, 'dropped files', to.notes)) {
    append(byHash, file.sha256, file);
  }
  for (const [sha256, files] of byHash) {
    const id = to.identifier('malware-instance', `dropped ${sha256}`);
    const refs = files.map((file) =>
      to.observables.put({
        type: 'file',
        ...fileFacts(file),
        ...to.observables.place(file.filepath ?? file.name),
      }),
    );
    to.objects.push({ type: 'malware-instance', id, instance_object_refs: refs });
    to.relationships.push({
      type: 'relationship',
      id: to.identifier('relationship', `dropped ${sha256}`),
      source_ref: id,
      target_ref: dropper,
      relationship_type: 'dropped-by',
    });
  }
}
