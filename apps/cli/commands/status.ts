import type { DaemonStatus } from '../answers.js';
import { OVER_REST, withClient } from '../connection.js';
import { facts } from '../facts.js';
import { formatBytes } from '../humane.js';
import { noArguments, parse } from '../options.js';
import { print, printJson } from '../print.js';
import { styles, visible } from '../text.js';

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('status', args, OVER_REST);
  noArguments('status', positionals);
  return withClient(values, async ({ client }) => {
    const status = await client.status();
    if (values.json === true) printJson(status);
    else print(describe(status, client.url));
    return 0;
  });
}

function describe({ tasks, machines, ...host }: DaemonStatus, url: string): string {
  const ended = tasks.total - tasks.pending - tasks.running - tasks.completed - tasks.reported;
  const counts = [
    `${tasks.pending} pending`,
    `${tasks.running} running`,
    tasks.completed > 0 ? `${tasks.completed} to report` : '',
    `${tasks.reported} reported`,
    ended > 0 ? `${ended} failed or recovered` : '',
  ];
  const disk = host.diskspace?.analyses;
  const load = host.cpuload?.map((average) => average.toFixed(2)).join(' ');
  return facts(`${styles().bold('up')}  ${url} on ${visible(host.hostname)}`, [
    ['tasks', counts.filter((count) => count !== '').join(' · ')],
    ['machines', `${machines.available} of ${machines.total} free`],
    ['disk', disk && `${formatBytes(disk.free)} of ${formatBytes(disk.total)} free`],
    ['load', load && `${load}${host.cpu_count == null ? '' : ` on ${host.cpu_count} cores`}`],
    ['memory', host.memory == null ? null : `${host.memory.toFixed(0)} % in use`],
    ['API', `Cuckoo ${host.version}`],
  ]);
}
