import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readFileSync, readSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { quoted } from '#domain/quoted.js';
import { COMPRESSORS, isDocument, type ContainerKind } from './container.js';
import { kindOfFile } from './kind-of-file.js';
import { Budget, TooMuch, type UnpackLimits } from './limits.js';
import { attachments } from './mail.js';
import { MemberPaths, safePath } from './member-paths.js';
import { writePlainZip } from './plain-zip.js';
import { extract } from './seven-zip.js';
import type { DiskFile } from './virtual-disk.js';

/** What people who share samples protect them with. */
const USUAL_PASSWORDS = [
  'infected',
  'malware',
  'virus',
  'dangerous',
  'novirus',
  'password',
  'infect',
  '1234',
];

export interface UnpackJob {
  /** The container's file, and the name it was submitted under. */
  readonly file: string;
  readonly name: string;
  /** A private, empty folder. */
  readonly dir: string;
  /** Tried before the usual ones. */
  readonly password: string | null;
  readonly limits: UnpackLimits;
}

export interface Member {
  /** Path in the plain zip. */
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

export type Unpacked =
  /** A file to be analysed as it is; `note` says why, when somebody might have expected members. */
  | { readonly kind: 'file'; readonly note: string | null }
  /** `zip` holds the members; `notes` are sentences about what is not among them. */
  | {
      readonly kind: 'archive';
      readonly zip: string;
      readonly members: readonly Member[];
      readonly notes: readonly string[];
    }
  /** Neither: what the client has to know. */
  | { readonly kind: 'refused'; readonly why: string };

/**
 * Takes a container apart, with the containers that are directly in it, and puts what it held into one plain zip.
 * Runs in a thread: it blocks, and may be ended at any time.
 *
 * @throws the real disk's error
 */
export async function unpack(job: UnpackJob): Promise<Unpacked> {
  const kind = kindOfFile(job.file, job.name);
  if (kind === null) return { kind: 'file', note: null };
  const unpacking = new Unpacking(job);
  try {
    return await unpacking.run(kind);
  } catch (error) {
    if (error instanceof TooMuch) return { kind: 'refused', why: `${quoted(job.name)} ${error.message}` };
    throw error;
  }
}

type Opened =
  | { readonly kind: 'files'; readonly files: readonly DiskFile[]; readonly complaint: string | null }
  | { readonly kind: 'document' }
  | { readonly kind: 'locked' }
  | { readonly kind: 'unreadable'; readonly complaint: string };

class Unpacking {
  readonly #budget: Budget;
  readonly #paths = new MemberPaths();
  readonly #notes: string[] = [];
  readonly #members: (Member & { readonly file: string })[] = [];

  constructor(private readonly job: UnpackJob) {
    this.#budget = new Budget(job.limits, statSync(job.file).size);
  }

  async run(kind: ContainerKind): Promise<Unpacked> {
    const name = quoted(this.job.name);
    const opened = await this.#open(kind, this.job.file, this.job.name);
    switch (opened.kind) {
      case 'document':
        return { kind: 'file', note: null };
      case 'locked':
        return { kind: 'refused', why: `${name} ${LOCKED}` };
      case 'unreadable':
        return {
          kind: 'file',
          note: `${name} could not be unpacked, and is analysed as it is: ${opened.complaint}`,
        };
      case 'files': {
        if (opened.files.length === 0)
          return { kind: 'file', note: `${name} holds no files, and is analysed as it is` };
        if (opened.complaint !== null)
          this.#notes.push(`${name} was not unpacked in full: ${opened.complaint}`);
        for (const file of opened.files) await this.#take(file);
        return await this.#result(name);
      }
    }
  }

  /** A member; when it is a container, what is in it instead. One level: what is deeper stays packed. */
  async #take(member: DiskFile): Promise<void> {
    const { raw, file } = member;
    const kind = kindOfFile(file, raw);
    const opened = kind === null ? null : await this.#open(kind, file, raw);
    if (opened?.kind === 'locked') {
      this.#notes.push(`${quoted(`${this.job.name}: ${raw}`)} ${LOCKED}`);
    } else if (opened?.kind === 'files' && opened.files.length > 0) {
      for (const inner of opened.files) this.#add({ ...inner, raw: `${raw}/${inner.raw}` });
      this.#drop([member]);
    } else {
      this.#add(member);
    }
  }

  #add({ raw, file, size }: DiskFile): void {
    this.#members.push({ path: this.#paths.add(raw), file, size, sha256: sha256Of(file) });
  }

  async #result(name: string): Promise<Unpacked> {
    const members = this.#members.toSorted((a, b) => (a.path < b.path ? -1 : 1));
    // Everything in it was locked.
    if (members.length === 0)
      return { kind: 'refused', why: this.#notes.join('; ') || `${name} holds no files` };
    const zip = join(this.job.dir, 'plain.zip');
    await writePlainZip(zip, members);
    return {
      kind: 'archive',
      zip,
      members: members.map(({ path, size, sha256 }) => ({ path, size, sha256 })),
      notes: this.#notes,
    };
  }

  /** `name.tar.gz` is opened twice, to what is in the tar. */
  async #open(kind: ContainerKind, file: string, name: string): Promise<Opened> {
    if (kind === 'eml') return this.#openMail(file);
    const opened = await this.#unlock(kind, file, name);
    const [only, more] = opened.kind === 'files' ? opened.files : [];
    if (!COMPRESSORS.has(kind) || !only || more || kindOfFile(only.file, only.raw) !== 'tar') return opened;
    const inner = await this.#unlock('tar', only.file, only.raw);
    if (inner.kind === 'files') this.#drop([only]);
    return inner.kind === 'files' ? inner : opened;
  }

  async #openMail(file: string): Promise<Opened> {
    try {
      const files = await attachments(readFileSync(file), this.job.dir, this.#budget);
      return { kind: 'files', files, complaint: null };
    } catch (error) {
      if (error instanceof TooMuch || isDiskError(error)) throw error;
      return { kind: 'unreadable', complaint: 'it is no mail that can be read' };
    }
  }

  async #unlock(kind: ContainerKind, file: string, name: string): Promise<Opened> {
    const { password } = this.job;
    const wanted = password === null ? [] : [password];
    for (const candidate of ['', ...wanted, ...USUAL_PASSWORDS]) {
      const { files, complaints, isLocked } = await this.#extract(kind, file, { name, password: candidate });
      if (isLocked) {
        this.#drop(files);
        continue;
      }
      if (kind === 'zip' && isDocument(files.map(({ raw }) => raw))) {
        this.#drop(files);
        return { kind: 'document' };
      }
      const complaint = complaints.length === 0 ? null : quoted(complaints.join('; '));
      if (files.length === 0 && complaint !== null) return { kind: 'unreadable', complaint };
      return { kind: 'files', files, complaint };
    }
    return { kind: 'locked' };
  }

  async #extract(
    kind: ContainerKind,
    file: string,
    { name, password }: { readonly name: string; readonly password: string },
  ): ReturnType<typeof extract> {
    const fd = openSync(file, 'r');
    try {
      const input = { name: safePath(name).replaceAll('/', '_'), fd, size: fstatSync(fd).size };
      return await extract({ kind, input, dir: this.job.dir, password }, this.#budget);
    } finally {
      closeSync(fd);
    }
  }

  #drop(files: readonly DiskFile[]): void {
    for (const { file, size } of files) {
      rmSync(file, { force: true });
      this.#budget.giveBack({ bytes: size, members: 1 });
    }
  }
}

const LOCKED =
  'opens with no known password: send it again with the form field "password", or to /tasks/create/file to have it analysed as it is';

function sha256Of(file: string): string {
  const hash = createHash('sha256');
  const fd = openSync(file, 'r');
  try {
    const chunk = Buffer.alloc(1024 * 1024);
    for (let got = readSync(fd, chunk); got > 0; got = readSync(fd, chunk))
      hash.update(chunk.subarray(0, got));
    return hash.digest('hex');
  } finally {
    closeSync(fd);
  }
}

/** Of the real disk: those of 7-Zip have no code. */
function isDiskError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && 'syscall' in error;
}
