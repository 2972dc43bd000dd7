import type { FastifyInstance } from 'fastify';
import type { NamedToken } from '#config/tokens.js';
import { SandboxError } from '#domain/errors.js';
import type { Scope } from '#domain/scope.js';
import { mustBeOurPage, mustCallUsByName } from './browsers.js';
import { setCaller } from './caller.js';
import { Keyring } from './keyring.js';
import { changesSomething, neededScope } from './needs.js';
import { createRateLimit } from './rate-limit.js';

export interface GateSettings {
  /** The name it is called by. */
  readonly host: string;
  readonly tokens: readonly NamedToken[];
  /** Requests of one client in a minute; 0 = any number. */
  readonly rateLimit: number;
}

/** What every request passes before any of its body is read, also one to a path that does not exist. */
export async function addGate(
  fastify: FastifyInstance,
  { host, tokens, rateLimit }: GateSettings,
): Promise<void> {
  const keyring = new Keyring(tokens);
  const mustNotHurry = await createRateLimit(fastify, rateLimit);
  fastify.addHook('onRequest', async (request, reply) => {
    const { headers } = request;
    const token = keyring.find(headers.authorization);
    setCaller(request, token?.name ?? null);
    const needed = request.is404 ? null : neededScope(request);
    const admitted = needed === 'none' || keyring.admits(token);
    // Before it is refused for its token: guesses are counted too.
    if (!admitted || request.routeOptions.config.unlimited !== true) await mustNotHurry(request, reply);
    if (needed !== 'none') keyring.mustAdmit(token);
    if (token === null) mustCallUsByName(headers, host);
    if (needed === null) return;
    if (token !== null && needed !== 'none') mustHave(token, needed);
    if (changesSomething(request)) mustBeOurPage(headers);
  });
}

function mustHave({ name, scopes }: NamedToken, needed: Scope): void {
  if (scopes.includes('admin') || scopes.includes(needed)) return;
  throw new SandboxError(
    'SCOPE_MISSING',
    `The token "${name}" may not do this: it needs the scope ${needed}, and has ${scopes.join(', ')}`,
  );
}
