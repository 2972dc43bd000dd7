/** What a VBoxManage that has ended said; code null: a signal ended it. */
export interface Said {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where VirtualBox runs: this host, or one that is reached over SSH. */
export interface VBoxHost extends AsyncDisposable {
  /** For messages: the path of VBoxManage, with the host when it is another one. */
  readonly name: string;

  /**
   * Runs VBoxManage with these arguments, in the C locale, and ends it when it takes longer than `timeoutMs`.
   *
   * @throws VBoxError `config` when it cannot be started, `transient` when it hung or the way to it broke
   */
  run(args: readonly string[], timeoutMs: number, signal: AbortSignal): Promise<Said>;

  /** A new folder for files that VirtualBox writes. `near` is a file of ours whose file system has room for them. */
  makeFolder(near: string, signal: AbortSignal): Promise<HostFolder>;

  /** Network interfaces of the host; null when they cannot be told. */
  interfaces(): Promise<readonly string[] | null>;
}

/** Disposing of it removes it with all that is in it. */
export interface HostFolder extends AsyncDisposable {
  /** Of a file in it, as VirtualBox finds it. */
  path(name: string): string;

  /** Bytes of a file in it; 0: it is not there yet. */
  size(name: string, signal: AbortSignal): Promise<number>;

  /** The content of a file in it. @throws PROTOCOL_VIOLATION when it is no regular file, or longer than `maxBytes` */
  read(name: string, maxBytes: number, signal: AbortSignal): Promise<Buffer>;

  /**
   * Moves a file of it to `to` on this host (mode 0600), where none must be.
   *
   * @throws PROTOCOL_VIOLATION as above; NO_DISK_SPACE, CAPTURE_FAILED
   */
  take(name: string, to: string, maxBytes: number, signal: AbortSignal): Promise<void>;
}

/** Most bytes that VBoxManage may say: showvminfo says 3 to 10 KB, and some more for each snapshot. */
export const MAX_SAID = 4 << 20;

/** Paths of programs that VBoxManage may need, when the environment does not say. */
export const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
