import { path, SNAPSHOT } from './argv.js';
import type { Qmp } from './qmp.js';

/** The file grows with what is saved; this is only the disk that nobody sees. Bytes. */
const EMPTY_DISK = 1 << 16;

/** Makes a qcow2 of the file at FD.memory and saves the paused guest, RAM and devices, into it. */
export async function saveSnapshot(qmp: Qmp, signal: AbortSignal): Promise<void> {
  const file = { driver: 'file', 'node-name': 'vmfile', filename: path('memory'), locking: 'off' };
  await qmp.execute('blockdev-add', file, signal);
  const format = { driver: 'qcow2', file: 'vmfile', size: EMPTY_DISK };
  await runJob(qmp, 'blockdev-create', { options: format }, signal);
  await qmp.execute('blockdev-add', { driver: 'qcow2', 'node-name': 'vmstate', file: 'vmfile' }, signal);
  await runJob(qmp, 'snapshot-save', { tag: SNAPSHOT, vmstate: 'vmstate', devices: ['vmstate'] }, signal);
  await qmp.execute('blockdev-del', { 'node-name': 'vmstate' }, signal); // writes what is cached
  await qmp.execute('blockdev-del', { 'node-name': 'vmfile' }, signal);
}

/** Runs a job of QEMU's to its end. */
export async function runJob(qmp: Qmp, command: string, args: object, signal: AbortSignal): Promise<void> {
  const id = `malkoha-${command}`;
  const concluded = qmp.once(
    'JOB_STATUS_CHANGE',
    ({ data }) => data['id'] === id && data['status'] === 'concluded',
    signal,
  );
  const [jobs] = await Promise.all([
    concluded.then(() => qmp.execute('query-jobs', {}, signal)),
    qmp.execute(command, { 'job-id': id, ...args }, signal),
  ]);
  await qmp.execute('job-dismiss', { id }, signal);
  const error = errorOf(jobs, id);
  if (error !== null) throw new Error(`${command}: ${error}`);
}

function errorOf(jobs: unknown, id: string): string | null {
  if (!Array.isArray(jobs)) return 'query-jobs gave no list';
  const job = (jobs as { id?: unknown; error?: unknown }[]).find((entry) => entry.id === id);
  return typeof job?.error === 'string' ? job.error.slice(0, 300) : null;
}
