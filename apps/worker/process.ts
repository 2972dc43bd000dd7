import { parseArgs } from 'node:util';
import { homePaths } from '#config/home.js';
import { loadSettings } from '#config/settings.js';
import { reason, SandboxError } from '#domain/errors.js';
import { loadSignatures } from '#signatures/load.js';
import { analysisDir } from '#storage/analyses.js';
import { databaseConnection, openDatabase } from '#storage/database.js';
import { Tasks } from '#storage/tasks.js';
import { runMain, shutdownSignal, tell } from '../ipc.js';
import { examine } from './examine.js';

/** `malkoha process ID`: makes the report of a task again from its stored artefacts. */
await runMain(async () => {
  const shutdown = shutdownSignal();
  const { values } = parseArgs({ options: { home: { type: 'string' }, task: { type: 'string' } } });
  if (values.home === undefined || values.task === undefined)
    throw new SandboxError('USAGE', 'process: --home and --task are needed');
  const id = Number(values.task);
  const home = homePaths(values.home);
  const { settings } = await loadSettings(home.conf);
  const db = await openDatabase(databaseConnection(settings.cuckoo.database.connection, home.database));
  try {
    const tasks = new Tasks(db);
    const status = (await tasks.get(id)).status;
    if (status === 'pending' || status === 'running')
      throw new SandboxError('BAD_REQUEST', `task ${id} is ${status}: there is nothing to examine yet`);
    const again = status === 'reported' || status === 'failed_processing' || status === 'failed_reporting';
    if (again) await tasks.move(id, status, 'completed');
    const onFailure = (part: string, error: unknown): void =>
      tell({ kind: 'progress', line: `${part}: ${reason(error)}`, lasting: true });
    const report = await examine(
      analysisDir(home.analyses, id),
      { signatures: await loadSignatures(), onFailure },
      shutdown,
    );
    if (again || status === 'completed') await tasks.move(id, 'completed', 'reported');
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
