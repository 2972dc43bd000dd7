// Lets a thread run the TypeScript sources, as Jest does for the tests themselves: given to it as --import.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { register } from 'node:module';
import process from 'node:process';
import { fileURLToPath, URL } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import { transform } from '@swc/core';

const LIBS = new URL('../../libs/', import.meta.url);

/** `#machinery/pool.js` and `./pool.js` are written; pool.ts is there. */
export async function resolve(specifier, context, next) {
  const from = specifier.startsWith('#') ? new URL(specifier.slice(1), LIBS) : null;
  // An absolute one is what a process was told to run.
  const near = /^(\.|file:)/.test(specifier) ? new URL(specifier, context.parentURL) : null;
  const source = (from ?? near)?.href.replace(/\.js$/, '.ts');
  if (source !== undefined && existsSync(fileURLToPath(source))) return { url: source, shortCircuit: true };
  return next(specifier, context);
}

export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context);
  const text = await readFile(new URL(url), 'utf8');
  const { code } = await transform(text, {
    filename: fileURLToPath(url),
    jsc: {
      target: 'es2022',
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true },
      keepClassNames: true,
    },
    module: { type: 'es6' },
  });
  return { format: 'module', source: code, shortCircuit: true };
}

// This file is loaded twice: by the thread, and by Node's own thread for hooks.
if (!isMainThread && process.execArgv.includes('--import')) register(import.meta.url);
