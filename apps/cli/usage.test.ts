import { expect, test } from '@jest/globals';
import { COMMANDS } from './commands.js';

test.each([
  [['task'], 'list, view, cancel, delete, report, explain, watch, failed, retry'],
  [['task', 'lits'], '`task lits`; there are list, view,'],
  [['task', 'constructor'], 'there is no command'],
  [['machine', 'ad'], 'there are list, show, disable, enable, test, drain, add, remove'],
  [['machine', 'add'], 'name the machine'],
  [['machine', 'add', 'a', '--machinery', 'vmware'], '--machinery takes one of qemu, kvm, virtualbox, fake'],
  [['machine', 'add', 'a', 'ip'], 'keys are given as KEY=VALUE, not "ip"'],
  [['machine', 'remove'], 'name one machine by its name'],
  [['config'], 'config: say what to do: check, import'],
  [['config', 'import'], 'name the one folder'],
  [['config', 'import', '/nonexistent'], '/nonexistent is not a folder'],
  [['config', 'check', 'a', 'b'], 'name one folder'],
  [['init', '--conf', '/nonexistent'], 'cannot read /nonexistent'],
  [['machine', 'show'], 'name one machine by its name'],
  [['machine', 'test', 'a', 'b'], 'name one machine by its name'],
  [['machine', 'drain'], 'name at least one machine'],
  [['machine', 'drain', 'a', '--worker', 'w'], 'no argument "a"'],
  [['machine', 'disable'], 'name at least one machine'],
  [['task', 'retry'], 'name tasks by their ids, or give --outcome O, or --all'],
  [['task', 'retry', '1', '--all'], 'name tasks by their ids, or give --outcome O, or --all'],
  [['task', 'retry', 'x'], 'a task id is a whole number'],
  [['task', 'failed', '--since', 'yesterday'], '--since takes a date'],
  [['worker', '--name', 'a/b'], '--name takes letters'],
  [['worker', '--machines', '0'], '--machines takes a whole number'],
  [['api', '--port', 'x'], '--port takes a whole number'],
  [['task', 'view'], 'name one task'],
  [['task', 'view', '1', '2'], 'name one task'],
  [['task', 'view', 'x'], 'a task id is a whole number from 1, not "x"'],
  [['task', 'cancel', '-1'], 'task cancel'],
  [['task', 'explain', '0'], 'not "0"'],
  [['task', 'list', '3'], 'no argument "3"'],
  [['task', 'list', '--limit', 'many'], '--limit takes a whole number'],
  [['task', 'list', '--status', 'done'], '--status takes pending, running'],
  [['task', 'list', '--colour'], "Unknown option '--colour'"],
  [['status', '--host', 'http://127.0.0.1:8090'], '--host takes a name or an IP address'],
  [['doctor', 'linux1'], 'no argument "linux1"'],
  [['doctor', '--machine', 'a', '--no-machines'], 'either --machine or --no-machines'],
  [['distributed', '9003'], 'the host comes first, then the port'],
  [['distributed', '127.0.0.1', '99999'], 'after the host comes a port from 0 to 65535, not "99999"'],
  [['distributed', '127.0.0.1', '9003', 'x'], 'not also "x"'],
  [
    ['distributed', '--home', '/nonexistent'],
    'report_formats, samples_directory and reports_directory are needed',
  ],
  [['node'], 'add, list, show, disable, enable, refresh, remove, check'],
  [['node', 'add', 'lab2'], 'name the node, then the URL of its REST API'],
  [['node', 'add', 'a', 'http://h', '--dialect', 'hatching'], '--dialect takes malkoha, cuckoo, cape'],
  [['node', 'show'], 'name one node by its name'],
  [['node', 'remove', 'a', 'b'], 'name one node by its name'],
  [['node', 'disable'], 'name at least one node'],
  [['node', 'check', 'a', '--timeout', '0'], '--timeout takes a whole number from 1'],
  [['node', 'list', '--host', 'http://127.0.0.1:9003'], '--host takes a name or an IP address'],
  [['submit'], 'name at least one file'],
  [['submit', '/nonexistent'], 'cannot read /nonexistent'],
  [['submit', 'http://a.test/', '--clock', 'now'], '--clock takes'],
])('%j is told with what is right', async ([command, ...args], sentence) => {
  const loaded = await COMMANDS[command ?? '']?.load();
  await expect(loaded?.run(args)).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringContaining(sentence),
  });
});

test.each(Object.entries(COMMANDS))('the help of %s fits a terminal of 80 columns', (_name, { help }) => {
  expect(help.split('\n').filter((line) => line.length > 80)).toEqual([]);
});
