import type { TaskFile } from '#domain/artifacts.js';
import type { ReportInfo, ReportMachine } from '#domain/report.js';

/** The release whose report this is shaped like; readers compare it. */
const REPORT_VERSION = '2.0.7';

export function info({ task, guest }: TaskFile): ReportInfo {
  const added = epoch(task.addedOn);
  const started = epoch(task.startedOn ?? guest?.startedOn ?? task.addedOn);
  const ended = epoch(task.completedOn ?? guest?.shutdownOn ?? null);
  return {
    version: REPORT_VERSION,
    added,
    started,
    ended,
    duration: ended === 0 ? -1 : Math.max(0, Math.floor(ended - started)),
    id: task.id,
    score: 0,
    category: task.category,
    custom: task.custom,
    owner: task.owner,
    package: task.package,
    platform: task.platform ?? guest?.platform ?? null,
    route: task.route,
    options: task.options ?? '',
    machine: guest === null ? {} : machine(guest),
  };
}

function machine(guest: NonNullable<TaskFile['guest']>): ReportMachine {
  return {
    status: 'stopped',
    name: guest.name,
    label: guest.label,
    manager: guest.manager,
    started_on: plain(guest.startedOn),
    shutdown_on: plain(guest.shutdownOn),
  };
}

/** Unix seconds; 0 when unknown. */
function epoch(iso: string | null): number {
  const time = iso === null ? NaN : Date.parse(iso);
  return Number.isNaN(time) ? 0 : time / 1000;
}

/** `YYYY-MM-DD HH:MM:SS`, UTC; '' when it is no date. */
function plain(iso: string): string {
  const time = Date.parse(iso);
  return Number.isNaN(time) ? '' : new Date(time).toISOString().slice(0, 19).replace('T', ' ');
}
