import type { FileReport, Process, Report } from '#domain/report.js';
import { timestamp } from '../../text.js';
import { first } from '../maec/choose.js';
import { element, textElement, type Element } from '../xml.js';
import { cut, objectReference, type Ids } from './ids.js';

const FILES = 1000;
const PROCESSES = 1000;
const URIS = 1000;

function hash(type: string, value: string | null, other?: string): Element | null {
  if (value === null) return null;
  return element('Hash', { type, other_type: other }, textElement('Hash_Value', value));
}

function fileObject(id: string, name: string, file: FileReport): Element {
  return element(
    'Object',
    { object_name: cut(name), type: 'File', id },
    textElement('Object_Size', file.size, { units: 'Bytes' }),
    element(
      'File_System_Object_Attributes',
      {},
      element(
        'Hashes',
        {},
        hash('MD5', file.md5),
        hash('SHA1', file.sha1),
        hash('SHA256', file.sha256),
        hash('Other', file.sha512, 'SHA512'),
        hash('Other', file.crc32, 'CRC32'),
        hash('Other', file.ssdeep, 'SSDEEP'),
      ),
      element('File_Type', { type: cut(file.type) }),
    ),
  );
}

function uriObject(id: string, uri: string): Element {
  return element(
    'Object',
    { object_name: cut(uri), type: 'URI', id },
    element('Internet_Object_Attributes', {}, textElement('URI', cut(uri))),
  );
}

function processObject(process: Process, id: string, parent: string | undefined): Element {
  const started = timestamp(process.first_seen);
  return element(
    'Object',
    { object_name: cut(process.process_name), type: 'Process', id },
    element(
      'Process_Object_Attributes',
      {},
      textElement('Image_Name', cut(process.process_path ?? process.process_name)),
      textElement('Command_Line', cut(process.command_line)),
      textElement('Process_ID', process.pid),
      parent === undefined ? null : objectReference('Parent_Process', parent),
      started === undefined ? null : textElement('Start_DateTime', started),
    ),
  );
}

/** Objects of the pool, and where to find the ones that others refer to. */
export interface Objects {
  readonly pool: readonly Element[];
  readonly subject: string;
  readonly processes: ReadonlyMap<number, string>;
  readonly uris: ReadonlyMap<string, string>;
}

export function makeObjects(report: Report, ids: Ids, notes: string[]): Objects {
  const { target, dropped = [], behavior, network } = report;
  const subject = ids.of('obj');
  const pool = [
    target.category === 'url'
      ? uriObject(subject, target.url)
      : fileObject(subject, target.file.name, target.file),
  ];
  for (const file of first(dropped, FILES, 'dropped files', notes))
    pool.push(fileObject(ids.of('obj'), file.filepath ?? file.name, file));

  const all = first(behavior?.processes ?? [], PROCESSES, 'processes', notes);
  const processes = new Map(all.map(({ procid }) => [procid, ids.of('obj')]));
  for (const process of all) {
    const parent = processes.get(process.parent_procid ?? -1);
    pool.push(processObject(process, processes.get(process.procid) ?? '', parent));
  }

  const requested = new Set((network?.http ?? []).map(({ uri }) => uri));
  const uris = new Map<string, string>();
  for (const uri of first([...requested], URIS, 'URLs', notes)) {
    const id = ids.of('obj');
    uris.set(uri, id);
    pool.push(uriObject(id, uri));
  }
  return { pool, subject, processes, uris };
}
