import { json, page, type Answer } from './answer.js';
import type { Knobs, NodeTask } from './options.js';

/** A capture without packets: magic, 2.4, snap length, Ethernet. @see https://www.tcpdump.org/manpages/pcap-savefile.5.html */
const EMPTY_PCAP = Buffer.from('d4c3b2a1020004000000000000000000ffff000001000000', 'hex');
const EMPTY_TAR = Buffer.alloc(1024);
/** Only the record of its end. */
const EMPTY_ZIP = Buffer.concat([Buffer.from('PK\x05\x06'), Buffer.alloc(18)]);

/** What each format answers, when the task is reported; undefined: there is no such format. */
export function reportOf(task: NodeTask, format: string, bytes: number): Answer | undefined {
  switch (format) {
    case 'json':
      return jsonReport(task, bytes);
    case 'html':
      return page(200, `Analysis of ${escape(task.target)}`);
    case 'maec':
    case 'metadata':
      return xml(`<report id="${task.id}"><target>${escape(task.target)}</target></report>\n`);
    case 'maec5':
      return json({ type: 'package', id: `package--${task.id}`, maec_objects: [] });
    case 'all':
    case 'dropped':
      return { status: 200, type: 'application/x-tar; charset=UTF-8', body: EMPTY_TAR };
    case 'dist':
    case 'lite':
      return { status: 200, type: 'application/zip', body: EMPTY_ZIP };
    case 'pcap':
      return { status: 200, type: 'application/octet-stream; charset=UTF-8', body: EMPTY_PCAP };
  }
  return undefined;
}

/** True, and one time less from now on, when this format of a report is told to be missing. */
export function isMissing(format: string, { reportMissing }: Knobs): boolean {
  const times = reportMissing[format] ?? 0;
  if (times <= 0) return false;
  reportMissing[format] = times - 1;
  return true;
}

export function broken(answer: Answer, how: Knobs['reportBroken'][string]): Answer {
  const { body } = answer;
  const half = body.subarray(0, body.length / 2);
  if (how === 'short') return { ...answer, body: half, announced: body.length };
  if (how === 'truncated') return { ...answer, body: half };
  if (how === 'text') return { ...answer, body: Buffer.from('Traceback (most recent call last):\n') };
  if (how === 'empty') return { ...answer, body: Buffer.alloc(0) };
  return answer;
}

function jsonReport(task: NodeTask, bytes: number): Answer {
  const { id, owner, fields, target, category, sample } = task;
  const report = {
    info: {
      id,
      owner,
      custom: fields['custom'] ?? null,
      category,
      score: 1,
      options: fields['options'] ?? '',
    },
    target: category === 'url' ? { category, url: target } : { category, file: { name: target, ...sample } },
    signatures: [],
    padding: '',
  };
  const missing = bytes - Buffer.byteLength(JSON.stringify(report));
  return json({ ...report, padding: '.'.repeat(Math.max(0, missing)) });
}

function xml(text: string): Answer {
  return { status: 200, type: 'application/xml', body: Buffer.from(`<?xml version="1.0"?>\n${text}`) };
}

function escape(text: string): string {
  return text.replace(/[<>&"]/g, (char) => `&#${char.charCodeAt(0)};`);
}
