import { closeSync, ftruncateSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Budget } from './limits.js';

/** A file that an archive program wrote. */
export interface DiskFile {
  /** Path as the archive has it, below the folder it was unpacked into. */
  readonly raw: string;
  /** Where its bytes are. */
  readonly file: string;
  readonly size: number;
}

/** The parts of Emscripten's file system that are used here; the package's types know only the outer ones. */
export interface EmscriptenFs {
  createNode(parent: FsNode | null, name: string, mode: number, device: number): FsNode;
  readonly ErrnoError: new (errno: number) => Error;
}

interface FsNode {
  readonly id: number;
  name: string;
  parent: FsNode;
  readonly mode: number;
  node_ops: object;
  stream_ops: object;
}

interface FsStream {
  readonly node: FsNode;
  position: number;
}

type Entry =
  | { readonly kind: 'folder'; readonly children: Map<string, FsNode> }
  | { readonly kind: 'file'; readonly file: string; size: number }
  | { readonly kind: 'input'; readonly fd: number; readonly size: number }
  /** Links lead nowhere here, and come to nothing. */
  | { readonly kind: 'link' };

/** As WASI numbers them, and Emscripten with it. */
const ENOENT = 44;
const EINVAL = 28;
const EROFS = 69;
const FOLDER_MODE = 0o40777;
const FILE_MODE = 0o100666;
const FILE_TYPE = 0o170000;
const FOLDER_TYPE = 0o040000;
const LINK_TYPE = 0o120000;
const REGULAR_TYPE = 0o100000;

/**
 * The only disk that an archive program in WebAssembly sees: one file to read, and folders that exist in memory alone.
 * What it writes goes into files of `dir` that are numbered, so that no name of an archive ever becomes a path; links
 * are forgotten, devices refused, and every byte is counted before it is written.
 */
export class VirtualDisk implements Disposable {
  readonly #entries = new Map<FsNode, Entry>();
  readonly #open = new Map<FsStream, number>();
  #failure: Error | null = null;

  constructor(
    private readonly fs: EmscriptenFs,
    private readonly input: { readonly name: string; readonly fd: number; readonly size: number },
    private readonly dir: string,
    private readonly budget: Budget,
  ) {}

  /** What ended the program's writing, if anything did: TooMuch, or the real disk's error. */
  get failure(): Error | null {
    return this.#failure;
  }

  /** For `FS.mount`. */
  readonly type = { mount: (): FsNode => this.#root() };

  /** What was written below the folder `folder` of the disk's root. */
  files(folder: string): readonly DiskFile[] {
    return [...this.#entries].flatMap(([node, entry]) => {
      const [top, ...names] = pathOf(node);
      if (entry.kind !== 'file' || top !== folder) return [];
      return [{ raw: names.join('/'), file: entry.file, size: entry.size }];
    });
  }

  [Symbol.dispose](): void {
    for (const fd of this.#open.values()) closeSync(fd);
    this.#open.clear();
  }

  #root(): FsNode {
    const root = this.#node(null, '/', FOLDER_MODE, { kind: 'folder', children: new Map() });
    const { name, fd, size } = this.input;
    this.#add(root, name, FILE_MODE, { kind: 'input', fd, size });
    return root;
  }

  #node(parent: FsNode | null, name: string, mode: number, entry: Entry): FsNode {
    const node = this.fs.createNode(parent, name, mode, 0);
    node.node_ops = this.#nodeOps;
    node.stream_ops = this.#streamOps;
    this.#entries.set(node, entry);
    return node;
  }

  #add(parent: FsNode, name: string, mode: number, entry: Entry): FsNode {
    const node = this.#node(parent, name, mode, entry);
    this.#children(parent).set(name, node);
    return node;
  }

  #remove(parent: FsNode, name: string): void {
    const node = this.#children(parent).get(name);
    this.#children(parent).delete(name);
    if (!node) return;
    const entry = this.#entries.get(node);
    this.#entries.delete(node);
    if (entry?.kind !== 'file') return;
    unlinkSync(entry.file);
    this.budget.giveBack({ bytes: entry.size, members: 1 });
  }

  #children(node: FsNode): Map<string, FsNode> {
    const entry = this.#entries.get(node);
    if (entry?.kind !== 'folder') throw new this.fs.ErrnoError(ENOENT);
    return entry.children;
  }

  #file(node: FsNode): Entry & { kind: 'file' } {
    const entry = this.#entries.get(node);
    if (entry?.kind !== 'file') throw new this.fs.ErrnoError(EROFS);
    return entry;
  }

  #size(node: FsNode): number {
    const entry = this.#entries.get(node);
    return entry?.kind === 'file' || entry?.kind === 'input' ? entry.size : 0;
  }

  /** Programs set the size of a file before they write it: that counts as written. */
  #resize(node: FsNode, size: number): void {
    const entry = this.#file(node);
    if (size > entry.size) this.budget.spend(size - entry.size);
    else this.budget.giveBack({ bytes: entry.size - size, members: 0 });
    entry.size = size;
  }

  /** An error of ours is kept: the program may take it for one of its own and go on. */
  #guarded<T>(work: () => T): T {
    if (this.#failure !== null) throw this.#failure;
    try {
      return work();
    } catch (error) {
      if (!(error instanceof this.fs.ErrnoError)) this.#failure = error as Error;
      throw error;
    }
  }

  readonly #nodeOps = {
    lookup: (): never => {
      throw new this.fs.ErrnoError(ENOENT); // Emscripten finds what exists by itself
    },
    getattr: (node: FsNode) => ({
      dev: 1,
      ino: node.id,
      mode: node.mode,
      nlink: 1,
      uid: 0,
      gid: 0,
      rdev: 0,
      size: this.#size(node),
      atime: new Date(0),
      mtime: new Date(0),
      ctime: new Date(0),
      blksize: 4096,
      blocks: Math.ceil(this.#size(node) / 512),
    }),
    setattr: (node: FsNode, { size }: { readonly size?: number }): void => {
      // Modes and times are nothing to us; a folder that nobody may enter would be in the way.
      if (size === undefined) return;
      this.#guarded(() => {
        this.#resize(node, size);
        const fd = openSync(this.#file(node).file, 'r+');
        ftruncateSync(fd, size);
        closeSync(fd);
      });
    },
    mknod: (parent: FsNode, name: string, mode: number): FsNode =>
      this.#guarded(() => {
        const type = mode & FILE_TYPE;
        if (type === FOLDER_TYPE) {
          this.budget.node();
          return this.#add(parent, name, FOLDER_MODE, { kind: 'folder', children: new Map() });
        }
        if (type !== REGULAR_TYPE) throw new this.fs.ErrnoError(EINVAL);
        const file = join(this.dir, String(this.budget.member()));
        closeSync(openSync(file, 'wx', 0o600));
        return this.#add(parent, name, FILE_MODE, { kind: 'file', file, size: 0 });
      }),
    symlink: (parent: FsNode, name: string): FsNode =>
      this.#guarded(() => {
        this.budget.node();
        return this.#add(parent, name, LINK_TYPE | 0o777, { kind: 'link' });
      }),
    readlink: (): never => {
      throw new this.fs.ErrnoError(EINVAL);
    },
    rename: (node: FsNode, folder: FsNode, name: string): void => {
      this.#children(node.parent).delete(node.name);
      this.#remove(folder, name);
      this.#children(folder).set(name, node);
      node.name = name;
      node.parent = folder;
    },
    unlink: (parent: FsNode, name: string): void => this.#remove(parent, name),
    rmdir: (parent: FsNode, name: string): void => this.#remove(parent, name),
    readdir: (node: FsNode): readonly string[] => ['.', '..', ...this.#children(node).keys()],
  };

  readonly #streamOps = {
    open: (stream: FsStream): void => {
      const entry = this.#entries.get(stream.node);
      if (entry?.kind === 'file') this.#guarded(() => this.#open.set(stream, openSync(entry.file, 'r+')));
    },
    close: (stream: FsStream): void => {
      const fd = this.#open.get(stream);
      this.#open.delete(stream);
      if (fd !== undefined) closeSync(fd);
    },
    read: (stream: FsStream, to: Uint8Array, offset: number, length: number, at: number): number => {
      const entry = this.#entries.get(stream.node);
      const fd = entry?.kind === 'input' ? entry.fd : this.#open.get(stream);
      if (fd === undefined) throw new this.fs.ErrnoError(EINVAL);
      return this.#guarded(() => readSync(fd, to, offset, length, at));
    },
    write: (stream: FsStream, from: Uint8Array, offset: number, length: number, at: number): number => {
      const fd = this.#open.get(stream);
      if (fd === undefined) throw new this.fs.ErrnoError(EROFS);
      return this.#guarded(() => {
        if (at + length > this.#size(stream.node)) this.#resize(stream.node, at + length);
        let written = 0;
        while (written < length)
          written += writeSync(fd, from, offset + written, length - written, at + written);
        return written;
      });
    },
    llseek: (stream: FsStream, offset: number, whence: number): number => {
      const base = whence === 1 ? stream.position : whence === 2 ? this.#size(stream.node) : 0;
      if (base + offset < 0) throw new this.fs.ErrnoError(EINVAL);
      return base + offset;
    },
  };
}

/** Names from the disk's root down; Emscripten makes a root its own parent. */
function pathOf(node: FsNode): readonly string[] {
  const names: string[] = [];
  for (let at = node; at.parent !== at; at = at.parent) names.unshift(at.name);
  return names;
}
