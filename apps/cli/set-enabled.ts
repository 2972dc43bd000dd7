import { OVER_REST, withClient } from './connection.js';
import { Operator } from './operator.js';
import { machineNames, parse } from './options.js';
import { print, printJson } from './print.js';
import { visible } from './text.js';

/** `malkoha machine enable|disable NAME…` */
export async function setEnabled(verb: 'enable' | 'disable', args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(`machine ${verb}`, args, OVER_REST);
  const names = machineNames(`machine ${verb}`, positionals);
  return withClient(values, async ({ client }) => {
    const operator = new Operator(client);
    for (const name of names) {
      await operator.setEnabled(name, verb);
      if (values.json !== true) print(`${visible(name)} ${SAID[verb]}`);
    }
    if (values.json === true) {
      const { machines } = await operator.machines();
      printJson({ machines: machines.filter(({ name }) => names.includes(name)) });
    }
    return 0;
  });
}

const SAID = {
  disable: 'is disabled: it takes no more tasks; what it runs goes on',
  enable: 'is enabled: it takes tasks as soon as it is ready',
} as const;
