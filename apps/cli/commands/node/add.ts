import { DIALECTS } from '#nodes/dialect.js';
import { SandboxError } from '#domain/errors.js';
import { Refusal, type Fields } from '../../client.js';
import { OVER_REST, withController } from '../../connection.js';
import { NodeOperator } from '../../node-operator.js';
import { machineCount } from '../../node-text.js';
import { parse } from '../../options.js';
import { print, printJson } from '../../print.js';
import { visible } from '../../text.js';

const OPTIONS = {
  ...OVER_REST,
  'node-token': { type: 'string' },
  mode: { type: 'string' },
  dialect: { type: 'string' },
} as const;

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('node add', args, OPTIONS);
  const [name, url, ...more] = positionals;
  if (name === undefined || url === undefined || more.length > 0)
    throw new SandboxError(
      'USAGE',
      'node add: name the node, then the URL of its REST API, such as `malkoha node add lab2 http://10.0.0.5:8090/`',
    );
  const { mode, dialect } = values;
  if (dialect !== undefined && !DIALECTS.some((one) => one === dialect))
    throw new SandboxError('USAGE', `--dialect takes ${DIALECTS.join(', ')}, not ${JSON.stringify(dialect)}`);
  // A command line is everybody's to read; the environment is not.
  const token = values['node-token'] ?? process.env['MALKOHA_NODE_TOKEN'];
  const chosen: Fields = {
    ...(token !== undefined && { token }),
    ...(mode !== undefined && { mode }),
    ...(dialect !== undefined && { dialect }),
  };
  return withController(values, async ({ client, progress }) => {
    const operator = new NodeOperator(client);
    progress.now(`asking ${url} what it is`);
    const said = await addOrChange(operator, { name, url, chosen });
    progress.done();
    const node = await operator.get(name);
    if (values.json === true) printJson({ node });
    else print(visible(`${name} ${said}: ${node.url}, ${node.dialect ?? 'cuckoo'}, ${machineCount(node)}`));
    return 0;
  });
}

/** A node that is there takes what is said of it now: so it is given another token, or is told of its new address. */
async function addOrChange(
  operator: NodeOperator,
  { name, url, chosen }: { readonly name: string; readonly url: string; readonly chosen: Fields },
): Promise<string> {
  const there = await operator.find(name);
  if (there === null) {
    await operator.add({ name, url, ...chosen });
    return 'is added';
  }
  const changes = isSame(there.url, url) ? chosen : { url, ...chosen };
  if (Object.keys(changes).length === 0)
    throw new Refusal(
      409,
      `there is a node ${name} already, at this URL; --node-token, --mode and --dialect change it`,
    );
  await operator.change(name, changes);
  return 'is changed';
}

function isSame(one: string, other: string): boolean {
  const plain = (url: string): string => (URL.canParse(url) ? new URL(url).href : url).replace(/\/+$/, '');
  return plain(one) === plain(other);
}
