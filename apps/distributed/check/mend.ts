import { SandboxError } from '#domain/errors.js';

/** The table's advice is to run this; what else there is to do is in the message. */
export function mend(error: unknown): string {
  if (!(error instanceof SandboxError)) return 'if the message names nothing you can mend, report it';
  if (error.code === 'NODE_UNREACHABLE')
    return 'the log of the REST API on the node says why; then run this again';
  if (error.code === 'NODE_ODD')
    return 'is it the version that docs/howto/grow.md names? The log of its REST API may say more';
  if (error.code === 'NODE_DENIED')
    return 'the node must be given a token that may do everything: its api_token, or one with the scope admin (CAPE: of an administrator), by `malkoha node add NAME URL --node-token TOKEN`';
  return error.help;
}

/** The command line changes no address: two names for one node, or one for two, are easily made so. */
export function giveUrl(name: string, url: string): string {
  return `curl -X PUT http://127.0.0.1:9003/api/node/${name} -F url=${url}`;
}
