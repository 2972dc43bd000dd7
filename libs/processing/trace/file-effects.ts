import type { StraceCall } from '#formats/strace.js';
import type { TracedProcess } from './process.js';

/** Paths whose fate is remembered, to tell created from overwritten. */
const MAX_REMEMBERED = 100_000;

/** Not on a disk: writing there creates nothing. /dev/shm and /dev/mqueue are the exceptions. */
const UNREAL = /^\/(?:proc|sys|dev)\/(?!shm\/|mqueue\/)/;

/**
 * What file calls did, told from their arguments and results alone. strace does not say whether O_CREAT found a file,
 * so this remembers what the calls before have shown: docs/report.md has the rules for readers.
 */
export class FileEffects {
  /** Path → was it there when last seen? */
  readonly #exists = new Map<string, boolean>();

  /** `paths` are the call's path arguments, absolute where possible. */
  apply(process: TracedProcess, call: StraceCall, paths: readonly string[]): void {
    const [path = '', second = ''] = paths;
    const { summary } = process;
    const { name, args } = call;
    switch (name) {
      case 'open':
        this.#opened(process, call, path, args[1] ?? '');
        return;
      case 'openat':
        this.#opened(process, call, path, args[2] ?? '');
        return;
      case 'openat2':
        this.#opened(process, call, path, args[2] ?? '');
        return;
      case 'creat':
        this.#opened(process, call, path, 'O_WRONLY|O_CREAT|O_TRUNC');
        return;
    }
    if (call.result !== '0' || path === '') return;
    switch (name) {
      case 'truncate':
        summary.add('file_written', path);
        break;
      case 'unlink':
        this.#deleted(process, path);
        break;
      case 'unlinkat':
        if (args[2]?.includes('AT_REMOVEDIR') === true) summary.add('directory_removed', path);
        else this.#deleted(process, path);
        break;
      case 'rmdir':
        summary.add('directory_removed', path);
        break;
      case 'mkdir':
      case 'mkdirat':
        summary.add('directory_created', path);
        break;
      case 'rename':
      case 'renameat':
      case 'renameat2':
        summary.addPair('file_moved', path, second);
        this.#remember(path, false);
        this.#remember(second, true);
        break;
      case 'link':
      case 'linkat':
        this.#created(process, second);
        break;
      case 'symlink':
      case 'symlinkat':
        this.#created(process, path);
        break;
      case 'chmod':
        summary.addPair('file_chmod', path, args[1] ?? '');
        break;
      case 'fchmodat':
      case 'fchmodat2':
        summary.addPair('file_chmod', path, args[2] ?? '');
        break;
      case 'fchmod':
        summary.addPair('file_chmod', path, args[1] ?? '');
        break;
    }
  }

  #opened(process: TracedProcess, call: StraceCall, path: string, flags: string): void {
    if (path === '') return;
    const { summary } = process;
    if (call.result === '-1' || call.result === '?') {
      if (call.result === '-1') summary.add('file_failed', path);
      if (call.errno === 'ENOENT') this.#remember(path, false);
      return;
    }
    if (flags.includes('O_DIRECTORY')) return;
    summary.add('file_opened', path);
    if (flags.includes('O_PATH')) return;
    const writes = flags.includes('O_WRONLY') || flags.includes('O_RDWR');
    if (!flags.includes('O_WRONLY')) summary.add('file_read', path);
    if (writes) summary.add('file_written', path);
    if (flags.includes('O_CREAT') && this.#isNew(path, flags)) this.#created(process, path);
    this.#remember(path, true);
  }

  /** O_EXCL proves it, earlier calls may; else truncating is taken as making a new file, appending as not. */
  #isNew(path: string, flags: string): boolean {
    if (UNREAL.test(path)) return false;
    if (flags.includes('O_EXCL')) return true;
    return !(this.#exists.get(path) ?? !flags.includes('O_TRUNC'));
  }

  #created(process: TracedProcess, path: string): void {
    process.summary.add('file_created', path);
    this.#remember(path, true);
  }

  #deleted(process: TracedProcess, path: string): void {
    process.summary.add('file_deleted', path);
    this.#remember(path, false);
  }

  #remember(path: string, exists: boolean): void {
    if (this.#exists.size < MAX_REMEMBERED || this.#exists.has(path)) this.#exists.set(path, exists);
  }

  /** Was `path` gone when the log ended? False when nothing was seen of it. */
  isDeleted(path: string): boolean {
    return this.#exists.get(path) === false;
  }
}
