import type { NodeMachine } from '#nodes/node.js';
import { plainDate, plainDateOrNull } from './answer.js';
import type { Lab } from './lab.js';
import type { NodeTask } from './options.js';
import type { World } from './world.js';

/** A task as tasks/view of a Cuckoo or Malkoha node shows it. */
export function taskView(task: NodeTask, { dialect, knobs }: World) {
  const { fields, sample } = task;
  const text = (name: string) => fields[name] || null;
  return {
    id: task.id,
    category: task.category,
    target: task.category === 'file' ? `/tmp/cuckoo-tmp/${task.id}/${task.target}` : task.target,
    package: text('package'),
    timeout: Number(fields['timeout'] ?? 0),
    priority: task.priority,
    custom: text('custom'),
    // 2.0.7 has an empty text for none.
    owner: dialect === 'malkoha' ? text('owner') : task.owner,
    machine: task.machine,
    platform: task.platform,
    options: text('options'),
    tags: task.tags,
    memory: isTrue(fields['memory']),
    enforce_timeout: isTrue(fields['enforce_timeout']),
    clock: plainDate(task.addedOn),
    added_on: plainDate(task.addedOn),
    started_on: knobs.startedOnNull ? null : plainDateOrNull(task.startedOn),
    completed_on: plainDateOrNull(task.completedOn),
    status: task.status,
    sample_id: sample?.id ?? null,
    submit_id: null,
    processing: null,
    route: null,
    duration: -1,
    guest: task.ranOn === null ? {} : guestView(task, task.ranOn),
    errors: task.errors,
    sample: sample === null ? {} : sampleView(task),
  };
}

export function machineView(machine: NodeMachine, id: number, locked: boolean) {
  return {
    id,
    name: machine.name,
    label: machine.label,
    ip: `192.168.56.${100 + id}`,
    platform: machine.platform,
    resultserver_ip: '192.168.56.1',
    resultserver_port: '2042',
    tags: machine.tags,
    interface: null,
    snapshot: null,
    locked,
    locked_changed_on: null,
    status: locked ? 'running' : 'poweroff',
    status_changed_on: null,
    options: [],
    rcparams: {},
  };
}

/** The numbers of cuckoo/status. */
export function countsOf(lab: Lab, machines: number) {
  return {
    machines: { total: machines, available: lab.freeMachines },
    tasks: {
      reported: lab.count('reported'),
      running: lab.count('running'),
      total: lab.tasks.size,
      completed: lab.count('completed'),
      pending: lab.count('pending'),
    },
  };
}

function guestView({ id, startedOn, completedOn }: NodeTask, { name, label }: NodeMachine) {
  return {
    id,
    name,
    label,
    manager: 'VirtualBox',
    status: completedOn === null ? 'running' : 'stopped',
    started_on: plainDateOrNull(startedOn),
    shutdown_on: plainDateOrNull(completedOn),
    task_id: id,
  };
}

function sampleView({ sample }: NodeTask) {
  if (sample === null) return {};
  const { size, ...rest } = sample;
  return { ...rest, file_size: size, file_type: 'data', ssdeep: '3:a:a' };
}

function isTrue(text: string | undefined): boolean {
  return /^(true|yes|1|on)$/i.test(text ?? '');
}
