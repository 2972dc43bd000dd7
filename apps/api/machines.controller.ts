import { Controller, Get, Param } from '@nestjs/common';
import type { MachineRow } from '#storage/entities/machine.entity.js';
import { Needs } from '../http/access/needs.js';
import { Context } from './context.js';
import { plainDateOrNull } from '../http/dates.js';
import type { MachineView } from './machine-schema.js';
import { listMachines, viewMachine } from './machines.docs.js';
import { Describe } from './openapi/operation.js';
import { problem } from '../http/problem.js';

@Controller('machines')
export class MachinesController {
  constructor(private readonly by: Context) {}

  @Get('list')
  @Needs('read')
  @Describe(listMachines)
  async list(): Promise<{ machines: MachineView[] }> {
    return { machines: (await this.by.machines.list()).map(machineView) };
  }

  @Get('view/:name')
  @Needs('read')
  @Describe(viewMachine)
  async view(@Param('name') name: string): Promise<{ machine: MachineView }> {
    const machine = name.includes('\0') ? null : await this.by.machines.find(name);
    if (!machine) throw problem(404, 'Machine not found');
    return { machine: machineView(machine) };
  }
}

function machineView(machine: MachineRow): MachineView {
  return {
    id: machine.id,
    name: machine.name,
    label: machine.label,
    ip: machine.ip,
    platform: machine.platform,
    resultserver_ip: machine.resultserverIp,
    // Text: the founding document's servers sent it so, and clients convert.
    resultserver_port: String(machine.resultserverPort),
    tags: machine.tags,
    interface: machine.interface,
    snapshot: machine.snapshot,
    locked: machine.locked,
    locked_changed_on: plainDateOrNull(machine.lockedChangedOn),
    status: machine.status,
    status_changed_on: plainDateOrNull(machine.statusChangedOn),
    options: machine.options,
    rcparams: {},
  };
}
