import type { FakenetRecord } from '#domain/artifacts.js';
import type { DnsQuery } from '#domain/report.js';
import type { TracedProcess } from '../trace/process.js';
import { originOf } from './attribution.js';
import type { CapturedDns } from './capture.js';

/** Answers listed for one question: a round-robin name has many. */
const MAX_ANSWERS = 100;

interface Asked {
  readonly request: string;
  readonly type: string;
  readonly time: number;
  readonly answers: Map<string, { type: string; data: string }>;
}

export interface DnsFacts {
  /** One per name and type, in order of the first time it was asked; answers of all repetitions. */
  readonly queries: readonly DnsQuery[];
  readonly servers: readonly string[];
  readonly domains: readonly { domain: string; ip: string }[];
  /** Address → the name it was an answer for. */
  readonly names: ReadonlyMap<string, string>;
}

/** Joins what the capture shows with what the fake internet was asked; times become seconds since `began`. */
export function dnsFacts(
  captured: readonly CapturedDns[],
  fakenet: readonly FakenetRecord[],
  { began, askers }: { began: number; askers: ReadonlyMap<string, TracedProcess> },
): DnsFacts {
  const asked = new Map<string, Asked>();
  const servers = new Set<string>();
  const ask = (request: string, type: string, time: number): Asked => {
    const key = `${type} ${request.toLowerCase()}`;
    let entry = asked.get(key);
    if (entry === undefined) asked.set(key, (entry = { request, type, time, answers: new Map() }));
    return entry;
  };

  for (const { message, time, dst } of captured) {
    const [question] = message.questions;
    if (question === undefined) continue;
    if (!message.response) {
      for (const { name, type } of message.questions) ask(name, type, time);
      servers.add(dst);
      continue;
    }
    // An answer nobody asked for is no request of the sample's.
    const entry = asked.get(`${question.type} ${question.name.toLowerCase()}`);
    for (const { type, data } of message.answers) answer(entry, type, data);
  }
  for (const record of fakenet) {
    if (record.kind !== 'dns') continue;
    const entry = ask(record.name, record.type, record.time);
    if (record.answer !== null) answer(entry, record.type, record.answer);
  }

  const entries = [...asked.values()].sort((a, b) => a.time - b.time);
  const names = new Map<string, string>();
  for (const entry of entries) {
    for (const { type, data } of entry.answers.values())
      if (isAddress(type) && !names.has(data)) names.set(data, entry.request);
  }
  return {
    queries: entries.map((entry) => toReport(entry, began, askers)),
    servers: [...servers].sort(),
    domains: domains(entries),
    names,
  };
}

const isAddress = (type: string): boolean => type === 'A' || type === 'AAAA';

function answer(entry: Asked | undefined, type: string, data: string): void {
  if (entry !== undefined && entry.answers.size < MAX_ANSWERS)
    entry.answers.set(`${type} ${data}`, { type, data });
}

function toReport(entry: Asked, began: number, askers: ReadonlyMap<string, TracedProcess>): DnsQuery {
  const process = askers.get(entry.request.toLowerCase());
  return {
    request: entry.request,
    type: entry.type,
    answers: [...entry.answers.values()],
    time: sinceStart(entry.time, began),
    ...(process === undefined ? {} : originOf(process)),
  };
}

/** Names asked for in order of the first question, with their first address. Reverse lookups are not domains. */
function domains(entries: readonly Asked[]): { domain: string; ip: string }[] {
  const first = new Map<string, string>();
  for (const { request, type, answers } of entries) {
    if (type === 'PTR' || request === '') continue;
    const name = request.toLowerCase();
    const ip = [...answers.values()].find((given) => isAddress(given.type))?.data ?? '';
    if (first.get(name) === undefined || first.get(name) === '') first.set(name, ip);
  }
  return [...first].map(([domain, ip]) => ({ domain, ip }));
}

/** Seconds with microseconds, never before the start. */
export function sinceStart(time: number, began: number): number {
  return Math.max(0, Math.round((time - began) * 1e6) / 1e6);
}
