import { randomUUID } from 'node:crypto';
import { constants, copyFile, mkdir, open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { Identity } from './identity.js';
import { recordsFolder } from './record.js';

export interface CopyFor {
  readonly machine: string;
  readonly runDir: string;
  readonly identity: Identity | null;
}

/** A copy for one QEMU alone, gone with the last descriptor of it: it has no name. */
export async function privateCopy(from: string, { machine, runDir, identity }: CopyFor): Promise<FileHandle> {
  await mkdir(recordsFolder(runDir), { recursive: true });
  const path = join(recordsFolder(runDir), `${machine}-${randomUUID()}`);
  try {
    await copyFile(from, path, constants.COPYFILE_FICLONE);
    return await handOver(await open(path, 'r+'), identity);
  } finally {
    await rm(path, { force: true });
  }
}

/** An empty file for one QEMU to write to, and for us to read: it has no name. */
export async function namelessFile({ machine, runDir, identity }: CopyFor): Promise<FileHandle> {
  await mkdir(recordsFolder(runDir), { recursive: true });
  const path = join(recordsFolder(runDir), `${machine}-${randomUUID()}`);
  try {
    return await handOver(await open(path, 'wx+', 0o600), identity);
  } finally {
    await rm(path, { force: true });
  }
}

async function handOver(file: FileHandle, identity: Identity | null): Promise<FileHandle> {
  await file.chmod(0o600);
  if (identity !== null) await file.chown(identity.uid, identity.gid);
  return file;
}
