import { join } from 'node:path';
import { z } from 'zod';
import type { End } from './follow.js';
import { formatMs } from './humane.js';
import { styles, visible } from './text.js';

export interface Result extends End {
  readonly task: number;
  /** report.json's text; null when there is none. */
  readonly report: string | null;
  /** As the user gave it. */
  readonly name: string;
  /** storage/analyses/<id> of this home folder; null when another home's daemon has it. */
  readonly dir: string | null;
  readonly url: string;
}

interface TreeNode {
  readonly pid: number;
  readonly process_name: string;
  readonly command_line: string;
  readonly children: readonly TreeNode[];
}

const tree: z.ZodType<TreeNode> = z.lazy(() =>
  z.object({ pid: z.number(), process_name: z.string(), command_line: z.string(), children: z.array(tree) }),
);

/** What the summary reads of report.json. */
const report = z.object({
  info: z.object({ score: z.number() }),
  behavior: z
    .object({ processtree: z.array(tree), summary: z.record(z.string(), z.array(z.unknown())) })
    .optional(),
  network: z
    .object({
      dns: z.array(z.object({ request: z.string() })),
      http: z.array(z.object({ method: z.string(), uri: z.string(), 'user-agent': z.string().optional() })),
      tcp: z.array(z.object({ dst: z.string(), dport: z.number() })),
    })
    .optional(),
  dropped: z
    .array(
      z.object({
        name: z.string(),
        filepath: z.string().nullable(),
        size: z.number(),
        sha256: z.string(),
        deleted: z.boolean(),
      }),
    )
    .optional(),
  screenshots: z.array(z.unknown()).optional(),
  signatures: z.array(
    z.object({ name: z.string(), description: z.string(), severity: z.number(), markcount: z.number() }),
  ),
  malkoha: z.object({
    phases: z.record(z.string(), z.number()),
    notes: z.array(z.string()),
    score: z.object({
      label: z.string(),
      parts: z.array(z.object({ signature: z.string(), points: z.number() })),
    }),
  }),
});

/** Rows of one section before the summary points to the report. */
const MAX_ROWS = 12;
const MAX_LINE = 160;

/** The document of `analyze --json` (design §8): one per target. */
export function jsonResult(result: Result): object {
  const seen = result.report === null ? null : report.parse(JSON.parse(result.report));
  return {
    task_id: result.task,
    target: result.name,
    status: result.status,
    score: seen?.info.score ?? null,
    report: reportPath(result, 'report.json'),
    report_html: reportPath(result, 'report.html'),
    url: seen === null ? null : result.url,
    signatures: (seen?.signatures ?? []).map(({ name, description, severity }) => ({
      name,
      description,
      severity,
    })),
    phases: { ...(seen?.malkoha.phases ?? {}), ...result.phases },
    ...(result.failure === null ? {} : { error: result.failure }),
  };
}

function reportPath({ report: text, dir }: Result, name: string): string | null {
  return text === null || dir === null ? null : join(dir, 'reports', name);
}

/** What a person reads at the end of `analyze`. Guest text is made harmless for the terminal. */
export function summarize(result: Result, { daemonStays }: { daemonStays: boolean }): string {
  if (result.report === null) return `\n${visible(result.name)}: ${result.status}\n`;
  const seen = report.parse(JSON.parse(result.report));
  const { bold, dim, red, yellow, green } = styles();
  const { score } = seen.malkoha;
  const tint = seen.info.score >= 7 ? red : seen.info.score >= 4 ? yellow : green;
  const points = new Map(score.parts.map((part) => [part.signature, part.points]));
  const summary = seen.behavior?.summary ?? {};
  const files = (key: string, mark: string) => (summary[key] ?? []).map((path) => `${mark} ${String(path)}`);
  const sections: [string, readonly string[]][] = [
    [
      'Signatures',
      [...seen.signatures]
        .reverse()
        .map(
          ({ name, description, severity }) =>
            `+${(points.get(name) ?? 0).toFixed(1)}  [${severity}] ${description} (${name})`,
        ),
    ],
    ['Processes', (seen.behavior?.processtree ?? []).flatMap((node) => drawTree(node, ''))],
    [
      'Files',
      [
        ...(seen.dropped ?? []).map(
          (file) =>
            `kept ${file.filepath ?? file.name} (${file.size} bytes${file.deleted ? ', deleted again' : ''}) sha256 ${file.sha256.slice(0, 16)}…`,
        ),
        ...files('file_written', 'wrote'),
        ...files('file_deleted', 'deleted'),
      ],
    ],
    [
      'Network',
      [
        ...(seen.network?.http ?? []).map(
          (request) =>
            `${request.method} ${request.uri}${request['user-agent'] === undefined ? '' : `  (${request['user-agent']})`}`,
        ),
        ...[...new Set((seen.network?.dns ?? []).map(({ request }) => request))].map(
          (name) => `looked up ${name}`,
        ),
      ],
    ],
    ['Notes', seen.malkoha.notes],
  ];
  const lines = [
    '',
    bold(visible(result.name)),
    tint(`score ${seen.info.score.toFixed(1)} of 10: ${score.label}`),
    ...sections.flatMap(([title, rows]) => section(title, rows, bold)),
    `${bold('Phases')}     ${Object.entries({ ...seen.malkoha.phases, ...result.phases })
      .map(([name, ms]) => `${name} ${formatMs(ms)}`)
      .join(' · ')}`,
    `${bold('Report')}     ${reportPath(result, 'report.html') ?? '(on the host of the daemon)'}`,
    `           ${result.url}${daemonStays ? '' : dim('  (while `malkoha up` runs)')}`,
    '',
  ];
  return `${lines.join('\n')}\n`;
}

function section(title: string, rows: readonly string[], bold: (text: string) => string): readonly string[] {
  if (rows.length === 0) return [];
  const shown = rows.slice(0, MAX_ROWS).map((row) => `  ${cut(visible(row))}`);
  const rest = rows.length - shown.length;
  return [bold(title), ...shown, ...(rest > 0 ? [`  … and ${rest} more in the report`] : [])];
}

function drawTree(node: TreeNode, indent: string): readonly string[] {
  const line = `${indent}${node.pid} ${node.command_line === '' ? node.process_name : node.command_line}`;
  return [line, ...node.children.flatMap((child) => drawTree(child, `${indent}  `))];
}

function cut(line: string): string {
  return line.length > MAX_LINE ? `${line.slice(0, MAX_LINE - 1)}…` : line;
}
