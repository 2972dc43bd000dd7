import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { homePaths, withArtifacts } from '#config/home.js';
import { loadSettings } from '#config/settings.js';
import { ARTIFACTS } from '#domain/artifacts.js';
import { reason, SandboxError } from '#domain/errors.js';
import { canMove } from '#domain/task.js';
import { loadSignatures } from '#signatures/load.js';
import { isThere } from '#storage/artifacts/local.js';
import { openConfigured } from '#storage/database.js';
import { Tasks } from '#storage/tasks.js';
import { openArtifacts } from '../open-artifacts.js';
import { confVariables } from '../conf-variables.js';
import { runMain, shutdownSignal, tell } from '../ipc.js';
import { examine } from './examine.js';
import { fetchToExamine } from './fetch-to-examine.js';

/** `malkoha process ID`: makes the report of a task again from its stored artefacts. */
await runMain(async () => {
  const shutdown = shutdownSignal();
  const { values } = parseArgs({ options: { home: { type: 'string' }, task: { type: 'string' } } });
  if (values.home === undefined || values.task === undefined)
    throw new SandboxError('USAGE', 'process: --home and --task are needed');
  const id = Number(values.task);
  const { settings } = await loadSettings(homePaths(values.home).conf, confVariables(values.home));
  const home = withArtifacts(homePaths(values.home), settings.cuckoo.artifacts.location);
  const db = await openConfigured(settings.cuckoo.database, home.database);
  try {
    const tasks = new Tasks(db);
    await using artifacts = openArtifacts(settings.cuckoo.artifacts, home, db);
    const task = await tasks.get(id);
    const { status } = task;
    if (status === 'pending' || status === 'running')
      throw new SandboxError('BAD_REQUEST', `task ${id} is ${status}: there is nothing to examine yet`);
    const onFailure = (part: string, error: unknown): void =>
      tell({ kind: 'progress', line: `${part}: ${reason(error)}`, lasting: true });
    const dir = await fetchToExamine(artifacts, task, shutdown);
    if (dir === null || !(await isThere(join(dir, ARTIFACTS.task))))
      throw new SandboxError('BAD_REQUEST', `task ${id} never ran: nothing was collected`);
    const signatures = await loadSignatures();
    const report = await examine(dir, { signatures, settings, onFailure }, shutdown);
    await artifacts.publishReports(id, shutdown);
    // Only once there is a report again: a failure above leaves the task as it was.
    if (status !== 'completed' && canMove(status, 'completed')) await tasks.move(id, status, 'completed');
    if (status !== 'failed_analysis') await tasks.move(id, 'completed', 'reported');
    tell({
      kind: 'progress',
      line: `task ${id}: score ${report.info.score.toFixed(1)}, ${report.signatures.length} signatures`,
      lasting: true,
    });
  } finally {
    await db.destroy();
  }
});
if (process.connected) process.disconnect();
