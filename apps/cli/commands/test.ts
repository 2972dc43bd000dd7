import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { SandboxError } from '#domain/errors.js';
import { createProgress } from '../progress.js';
import { projectRoot } from '../root.js';
import { ensurePackages, labPackages, TEST_PACKAGES } from '../setup/host-packages.js';

const SUITES = {
  unit: ['unit'],
  contract: ['contract'],
  e2e: ['e2e'],
  all: ['unit', 'contract', 'e2e'],
} as const;

const jestResults = z.object({
  numPassedTests: z.int(),
  numFailedTests: z.int(),
  numFailedTestSuites: z.int(),
  numRuntimeErrorTestSuites: z.int(),
});

interface Count {
  readonly passed: number;
  readonly failed: number;
}

/** The checks of `npm run check`; each counts as one test. */
const CHECKS: readonly (readonly [string, readonly string[]])[] = [
  ['types', ['tsc', '--noEmit']],
  ['lint', ['eslint', '.']],
  ['format', ['prettier', '--check', '--log-level', 'warn', '.']],
];

export async function run(args: readonly string[]): Promise<number> {
  const [suite = 'all', ...jestArgs] = args;
  if (suite !== 'check' && !(suite in SUITES)) {
    throw new SandboxError(
      'USAGE',
      `test: the suites are check, ${Object.keys(SUITES).join(', ')}, not ${JSON.stringify(suite)}`,
    );
  }
  const progress = createProgress();
  const counts: Count[] = [];
  if (suite === 'check' || suite === 'all') counts.push(await check());
  if (suite !== 'check') {
    if (suite !== 'unit')
      await ensurePackages([...labPackages(['qemu']), ...TEST_PACKAGES], (line) => progress.say(line));
    for (const project of SUITES[suite as keyof typeof SUITES]) counts.push(await jest(project, jestArgs));
  }
  const passed = sum(counts.map((count) => count.passed));
  const failed = sum(counts.map((count) => count.failed));
  process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

async function check(): Promise<Count> {
  let failed = 0;
  for (const [name, command] of CHECKS) {
    process.stdout.write(`check: ${name}\n`);
    const code = await execute('npx', ['--no-install', ...command], {});
    if (code !== 0) failed += 1;
  }
  return { passed: CHECKS.length - failed, failed };
}

/** One jest project; e2e in one process after the other, since each boots machines. */
async function jest(project: string, extra: readonly string[]): Promise<Count> {
  const dir = await mkdtemp(join(tmpdir(), 'malkoha-test-'));
  try {
    const output = join(dir, 'results.json');
    const serial = project === 'e2e' ? ['--runInBand'] : [];
    const args = [
      '--no-install',
      'jest',
      '--selectProjects',
      project,
      ...serial,
      '--json',
      '--outputFile',
      output,
      ...extra,
    ];
    const code = await execute('npx', args, { NODE_OPTIONS: '--experimental-vm-modules --no-warnings' });
    const text = await readFile(output, 'utf8').catch(() => null);
    if (text === null) return { passed: 0, failed: 1 };
    const results = jestResults.parse(JSON.parse(text));
    // A suite that could not even load has no failed test of its own, and a leak fails the run without one.
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    return { passed: results.numPassedTests, failed: failed === 0 && code !== 0 ? 1 : failed };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Runs in the project's folder; what it prints goes to stderr, so that stdout has the counts. */
function execute(program: string, args: readonly string[], env: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: projectRoot(),
      stdio: ['ignore', 2, 'inherit'],
      env: { ...process.env, ...env },
    });
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
