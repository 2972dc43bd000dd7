import { setTimeout as sleep } from 'node:timers/promises';
import { Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { deadline } from '#domain/deadline.js';
import { serves } from '#domain/machine.js';
import { asked } from '#queue/lane-queue.js';
import { wantsOf } from '#domain/lanes.js';
import type { NotedTest } from '#queue/machine-notes.js';
import { send } from '#queue/mail.js';
import { toMachine } from '#storage/machines.js';
import { tasksOnMachines } from '#storage/running-tasks.js';
import { Needs } from '../../http/access/needs.js';
import { Context } from '../context.js';
import { Describe } from '../openapi/operation.js';
import { problem } from '../../http/problem.js';
import { readWait } from '../tasks/wait.js';
import { whenGone } from '../../http/when-gone.js';
import type { FleetMachine } from './fleet.js';
import type { MachineDetailsView, MachineStateView, MachineTestView } from './machine-state-schema.js';
import { laneView, machineStateView, machineTestView } from './machine-state-view.js';
import {
  disableMachine,
  enableMachine,
  listMachineStates,
  testMachine,
  viewMachineState,
  viewTest,
} from './machine-states.docs.js';

/** Milliseconds between two looks for the result of a test. */
const LOOK_MS = 100;

/** What operators see and do about machines. Beside Cuckoo's machines/list and view, whose keys are a contract. */
@Controller('machines')
export class MachineStatesController {
  constructor(private readonly by: Context) {}

  @Get('states')
  @Needs('read')
  @Describe(listMachineStates)
  async list(): Promise<{ machines: MachineStateView[] }> {
    const [{ machines }, tasks] = await Promise.all([this.by.fleet.now(), tasksOnMachines(this.by.db)]);
    return { machines: machines.map((machine) => machineStateView(machine, tasks)) };
  }

  @Get('state/:name')
  @Needs('read')
  @Describe(viewMachineState)
  async view(@Param('name') name: string): Promise<{ machine: MachineDetailsView }> {
    const { db, notes, queues } = this.by;
    const [found, tasks, lastError, depths] = await Promise.all([
      this.#find(name),
      tasksOnMachines(db),
      notes.lastError(name).catch(() => null), // with Redis away the rest is known all the same
      asked(queues.redis, () => queues.lanes.depths()).catch(() => null),
    ]);
    const machine = toMachine(found.row);
    const waiting = depths?.filter(({ lane, waiting: tasks }) => tasks > 0 && serves(machine, wantsOf(lane)));
    return {
      machine: {
        ...machineStateView(found, tasks),
        last_error: lastError,
        waiting: waiting?.map(laneView) ?? null,
      },
    };
  }

  @Post('enable/:name')
  @HttpCode(200)
  @Needs('admin')
  @Describe(enableMachine)
  async enable(@Param('name') name: string): Promise<{ status: 'OK' }> {
    return this.#setEnabled(name, true);
  }

  /** SQL keeps it, for its worker and for the one that comes after that; the letter only makes it quick. */
  @Post('disable/:name')
  @HttpCode(200)
  @Needs('admin')
  @Describe(disableMachine)
  async disable(@Param('name') name: string): Promise<{ status: 'OK' }> {
    return this.#setEnabled(name, false);
  }

  @Post('test/:name')
  @HttpCode(200)
  @Needs('admin')
  @Describe(testMachine)
  async test(
    @Res({ passthrough: true }) reply: FastifyReply,
    @Param('name') name: string,
    @Query('wait') wait?: unknown,
  ): Promise<{ test: MachineTestView }> {
    const seconds = readWait(wait);
    const { row, manned } = await this.#find(name);
    if (!manned) throw problem(409, 'The machine cannot be tested: its worker has ended');
    const { notes, queues } = this.by;
    const answer = await notes.ask(row.name);
    await send(queues.redis, row.worker, { kind: 'test', machine: row.name, answer });
    return { test: await this.#result(reply, answer, seconds) };
  }

  @Get('tests/:id')
  @Needs('read')
  @Describe(viewTest)
  async viewTest(
    @Res({ passthrough: true }) reply: FastifyReply,
    @Param('id') id: string,
    @Query('wait') wait?: unknown,
  ): Promise<{ test: MachineTestView }> {
    const seconds = readWait(wait);
    return { test: await this.#result(reply, id, seconds) };
  }

  async #find(name: string): Promise<FleetMachine> {
    const { machines } = await this.by.fleet.now();
    const found = machines.find(({ row }) => row.name === name);
    if (!found) throw problem(404, 'Machine not found');
    return found;
  }

  async #setEnabled(name: string, enabled: boolean): Promise<{ status: 'OK' }> {
    const { machines, queues } = this.by;
    const { row } = await this.#find(name);
    if (!(await machines.setEnabled(row.name, enabled))) throw problem(404, 'Machine not found');
    await send(queues.redis, row.worker, { kind: 'machines' });
    return { status: 'OK' };
  }

  async #result(reply: FastifyReply, id: string, seconds: number): Promise<MachineTestView> {
    using limit = deadline(seconds * 1000, whenGone(reply, this.by.shutdown));
    let test: NotedTest | null;
    for (;;) {
      test = await this.by.notes.test(id);
      if (test === null) throw problem(404, 'Test not found');
      if (test.result !== null || seconds === 0 || limit.signal.aborted) return machineTestView(id, test);
      await sleep(LOOK_MS, undefined, { signal: limit.signal }).catch(() => {}); // it is looked once more
    }
  }
}
