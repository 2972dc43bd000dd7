import { join, resolve } from 'node:path';

/** Every place below the home folder ($MALKOHA_HOME, else ~/.malkoha; only apps read that variable). */
export interface HomePaths {
  readonly dir: string;
  /** cuckoo.conf, qemu.conf … */
  readonly conf: string;
  readonly storage: string;
  /** analyses/<id>/ */
  readonly analyses: string;
  /** binaries/<sha256> */
  readonly binaries: string;
  /** targets/<sha256>/<submitted name>, a link to the binary: what a task's `target` names. */
  readonly targets: string;
  /** Downloads while they are made: files without a name, so it looks empty. */
  readonly scratch: string;
  /** Containers while they are unpacked, on the disk that holds the samples. */
  readonly unpacking: string;
  /** SQLite file, used when `[database] connection` is empty. */
  readonly database: string;
  /** Sockets, pid files. Mode 0700. */
  readonly run: string;
  /** Built guests and their templates. */
  readonly guests: string;
  readonly logs: string;
  readonly redis: {
    /** Append-only file. */
    readonly dir: string;
    readonly socket: string;
    readonly pidFile: string;
  };
  /** Of `malkoha distributed`, which may run beside a lab on the same home. */
  readonly distributed: {
    /** dist.db, and what distributed.conf names by a relative path. */
    readonly dir: string;
    /** Which process it is. */
    readonly daemon: string;
    readonly redis: HomePaths['redis'];
  };
}

/**
 * Where samples and artefacts are by `[artifacts] location`: in a folder that hosts share, their usual places below it. What
 * is only this process's, downloads and containers in the making, stays in the home folder.
 */
export function withArtifacts(home: HomePaths, location: string): HomePaths {
  if (!location.startsWith('/')) return home;
  const at = (name: string) => join(resolve(location), name);
  return {
    ...home,
    storage: resolve(location),
    analyses: at('analyses'),
    binaries: at('binaries'),
    targets: at('targets'),
  };
}

export function homePaths(home: string): HomePaths {
  const dir = resolve(home);
  const at = (...names: string[]) => join(dir, ...names);
  return {
    dir,
    conf: at('conf'),
    storage: at('storage'),
    analyses: at('storage', 'analyses'),
    binaries: at('storage', 'binaries'),
    targets: at('storage', 'targets'),
    scratch: at('storage', 'scratch'),
    unpacking: at('storage', 'unpacking'),
    database: at('malkoha.db'),
    run: at('run'),
    guests: at('guests'),
    logs: at('logs'),
    redis: { dir: at('redis'), socket: at('run', 'redis.sock'), pidFile: at('run', 'redis.pid') },
    distributed: {
      dir: at('distributed'),
      daemon: at('run', 'distributed.json'),
      redis: {
        dir: at('distributed', 'redis'),
        socket: at('run', 'distributed.sock'),
        pidFile: at('run', 'distributed.pid'),
      },
    },
  };
}
