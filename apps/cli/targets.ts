import { constants } from 'node:fs';
import { access, readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { SandboxError, reason } from '#domain/errors.js';

export type Target =
  { readonly kind: 'file'; readonly path: string } | { readonly kind: 'url'; readonly url: string };

/** A folder of samples larger than this is work for the REST API, not for one command line. */
const MAX_TARGETS = 1000;

/** Turns the arguments of `analyze` into what is submitted; a folder stands for the files in it. @throws USAGE naming the argument */
export async function findTargets(args: readonly string[]): Promise<readonly Target[]> {
  const targets = (await Promise.all(args.map(expand))).flat();
  if (targets.length > MAX_TARGETS) {
    throw new SandboxError(
      'USAGE',
      `${targets.length} targets are more than ${MAX_TARGETS}: analyze them in parts`,
    );
  }
  return targets;
}

async function expand(argument: string): Promise<readonly Target[]> {
  if (/^https?:\/\//i.test(argument)) return [{ kind: 'url', url: argument }];
  const path = resolve(argument);
  const facts = await stat(path).catch((cause: unknown) => {
    throw new SandboxError(
      'USAGE',
      `cannot read ${argument}: ${reason(cause)}. Give the path of a file or folder, or a URL that starts with http:// or https://`,
    );
  });
  if (!facts.isDirectory()) return [await checkedFile(argument, path, facts)];
  const entries = await readdir(path, { withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name)
    .sort();
  if (names.length === 0)
    throw new SandboxError('USAGE', `${argument} is a folder with no files in it: nothing to analyze`);
  return Promise.all(
    names.map(async (name) =>
      checkedFile(join(argument, name), join(path, name), await stat(join(path, name))),
    ),
  );
}

async function checkedFile(
  shown: string,
  path: string,
  facts: { isFile(): boolean; size: number },
): Promise<Target> {
  if (!facts.isFile()) throw new SandboxError('USAGE', `${shown} is not a regular file: nothing to analyze`);
  if (facts.size === 0) throw new SandboxError('USAGE', `${shown} is empty (0 bytes): nothing to analyze`);
  await access(path, constants.R_OK).catch((cause: unknown) => {
    throw new SandboxError(
      'USAGE',
      `cannot read ${shown}: ${reason(cause)}. Give yourself the right to read it, e.g. chmod u+r`,
    );
  });
  return { kind: 'file', path };
}
