import type { z } from 'zod';
import type { Client, Fields, Init } from './client.js';
import * as answers from './operator-answers.js';

const POST: Init = { method: 'POST' };

/** What operators ask the REST API for, beside what Cuckoo's has. */
export class Operator {
  constructor(private readonly client: Client) {}

  async machines(): Promise<z.infer<typeof answers.machineStates>> {
    return this.client.ask('/machines/states', answers.machineStates);
  }

  async machine(name: string): Promise<z.infer<typeof answers.machineDetails>> {
    return this.client.ask(`/machines/state/${encodeURIComponent(name)}`, answers.machineDetails);
  }

  async setEnabled(name: string, verb: 'enable' | 'disable'): Promise<void> {
    await this.client.ask(`/machines/${verb}/${encodeURIComponent(name)}`, answers.anything, POST);
  }

  async test(name: string): Promise<answers.MachineTest> {
    const path = `/machines/test/${encodeURIComponent(name)}`;
    return (await this.client.ask(path, answers.machineTest, POST)).test;
  }

  /** As soon as it has ended within `waitSeconds`. */
  async testResult(id: string, waitSeconds: number): Promise<answers.MachineTest> {
    return (await this.client.ask(`/machines/tests/${id}?wait=${waitSeconds}`, answers.machineTest)).test;
  }

  async workers(): Promise<readonly answers.Worker[]> {
    return (await this.client.ask('/workers/list', answers.workerList)).workers;
  }

  /** Returns the ids of the processes that will end. */
  async drain(worker: string): Promise<readonly string[]> {
    return (await this.client.ask(`/workers/drain/${encodeURIComponent(worker)}`, answers.drained, POST))
      .workers;
  }

  async scheduler(): Promise<answers.SchedulerStatus> {
    return this.client.ask('/scheduler/status', answers.schedulerStatus);
  }

  async failed(query: Fields): Promise<z.infer<typeof answers.failedList>> {
    return this.client.ask(`/tasks/failed?${new URLSearchParams(query).toString()}`, answers.failedList);
  }

  async retry(fields: Fields): Promise<answers.Retried> {
    const body = new URLSearchParams(fields);
    return this.client.ask('/tasks/retry', answers.retried, { ...POST, body });
  }
}
