import { Controller, Get } from '@nestjs/common';
import { diskSpace, type DiskSpace } from '../../disk.js';
import { Needs } from '../../http/access/needs.js';
import { shared } from '../../http/shared.js';
import { Context } from '../context.js';
import { taskCounters, type TaskCounters } from './task-counters.js';

/** Of the first distributed script. `processed`: those that have ended, well or badly. */
interface RootStatus {
  readonly nodes: Readonly<Record<string, TaskCounters>>;
  readonly tasks: { readonly processing: number; readonly processed: number; readonly pending: number };
}

@Controller()
export class StatusController {
  /** A hundred who watch cost as much as one. */
  readonly #root = shared(() => this.#rootStatus());
  readonly #api = shared(() => this.#apiStatus());

  constructor(private readonly by: Context) {}

  @Get('status')
  @Needs('read')
  async root(): Promise<RootStatus> {
    return this.#root();
  }

  @Get('api/status')
  @Needs('read')
  async api(): Promise<object> {
    return this.#api();
  }

  async #rootStatus(): Promise<RootStatus> {
    const { nodes, tasks } = this.by;
    const [rows, { pending, assigned, processing, finished, failed }] = await Promise.all([
      nodes.list(),
      tasks.counts(),
    ]);
    const counters = rows.flatMap(({ name, enabled, status }) => {
      const of = enabled ? taskCounters(status) : null;
      return of === null ? [] : [[name, of] as const];
    });
    return {
      nodes: Object.fromEntries(counters),
      tasks: { processing: assigned + processing, processed: finished + failed, pending },
    };
  }

  /** Of nodes what they last said, as they said it, and when. */
  async #apiStatus(): Promise<object> {
    const { nodes, tasks, settings } = this.by;
    const [rows, counts, reports, samples] = await Promise.all([
      nodes.list(),
      tasks.countsOf(startOfDay(new Date())),
      space(settings.reportsDirectory),
      space(settings.samplesDirectory),
    ]);
    const said = rows.flatMap(({ name, enabled, status, statusOn }) =>
      enabled && status && statusOn ? [[name, { ...status, timestamp: seconds(statusOn) }] as const] : [],
    );
    return {
      success: true,
      nodes: Object.fromEntries(said),
      tasks: counts, // Cuckoo 2.0.7 had neither `assigned` nor `failed`
      dist: { diskspace: { ...(reports && { reports }), ...(samples && { samples }) } },
      timestamp: seconds(new Date()),
    };
  }
}

/** Null: the folder is not there. */
async function space(folder: string): Promise<DiskSpace | null> {
  return diskSpace(folder).catch(() => null); // the check of this service says why: a status is answered all the same
}

/** In this server's time zone, as all dates that are shown. */
function startOfDay(date: Date): Date {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate());
}

function seconds(date: Date): number {
  return Math.floor(date.getTime() / 1000);
}
