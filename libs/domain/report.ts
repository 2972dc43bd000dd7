import type { Phases } from './artifacts.js';

/**
 * report.json. Keys and nesting are Cuckoo 2.0.7's (snake_case, epoch seconds as floats), because ten-year-old
 * readers parse them; what Cuckoo never had lives under `malkoha` or as extra keys inside a section.
 * Sections are absent when there is nothing to say. All guest text is attacker-controlled.
 * Every list has a defined order, so that the same artefacts give the same bytes.
 */
export interface Report {
  readonly info: ReportInfo;
  readonly target: ReportTarget;
  readonly behavior?: Behavior;
  readonly network?: Network;
  readonly dropped?: readonly DroppedFile[];
  readonly screenshots?: readonly Screenshot[];
  readonly strings?: readonly string[];
  readonly debug?: Debug;
  readonly signatures: readonly SignatureMatch[];
  readonly malkoha: Additions;
}

/** What the processing modules fill, before signatures and score are known. */
export type Evidence = Omit<Report, 'signatures' | 'malkoha'> & {
  readonly malkoha: Omit<Additions, 'score'>;
};

export interface ReportInfo {
  readonly version: string;
  readonly added: number;
  readonly started: number;
  readonly ended: number;
  /** Seconds; -1 when unknown. */
  readonly duration: number;
  readonly id: number;
  /** 0–10: the sum of `malkoha.score.parts`, bounded. 0 until the signatures have run. */
  readonly score: number;
  readonly category: string;
  readonly custom: string | null;
  readonly owner: string | null;
  readonly package: string | null;
  readonly platform: string | null;
  readonly route: string | null;
  readonly options: string;
  readonly machine: ReportMachine | Record<string, never>;
}

export interface ReportMachine {
  readonly status: string;
  readonly name: string;
  readonly label: string;
  readonly manager: string;
  /** `YYYY-MM-DD HH:MM:SS`, UTC. */
  readonly started_on: string;
  readonly shutdown_on: string;
}

export interface FileReport {
  readonly name: string;
  readonly path: string;
  readonly size: number;
  readonly crc32: string;
  readonly md5: string;
  readonly sha1: string;
  readonly sha256: string;
  readonly sha512: string;
  readonly ssdeep: string | null;
  readonly type: string;
  readonly yara: readonly never[];
  readonly urls: readonly string[];
}

export type ReportTarget =
  | { readonly category: 'file'; readonly file: FileReport }
  | {
      readonly category: 'archive';
      /** Path in the archive of the file that was run. */
      readonly filename: string;
      /** For people: `<file> @ <archive>`. */
      readonly human: string;
      /** The plain zip. */
      readonly archive: FileReport;
      /** The file that was run. */
      readonly file: FileReport;
    }
  | { readonly category: 'url'; readonly url: string };

export interface Behavior {
  readonly generic: readonly GenericProcess[];
  readonly processes: readonly Process[];
  readonly processtree: readonly ProcessNode[];
  readonly summary: BehaviorSummary;
  /** pid → api → count. */
  readonly apistats: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** Sorted, unique lists; a category is absent when empty, but `files`, `keys` and `mutexes` are always there (1.x readers). */
export interface BehaviorSummary {
  readonly files: readonly string[];
  readonly keys: readonly string[];
  readonly mutexes: readonly string[];
  readonly file_created?: readonly string[];
  readonly file_opened?: readonly string[];
  readonly file_read?: readonly string[];
  readonly file_written?: readonly string[];
  readonly file_deleted?: readonly string[];
  readonly file_failed?: readonly string[];
  readonly file_executed?: readonly string[];
  /** [old, new]. */
  readonly file_moved?: readonly (readonly [string, string])[];
  /** [path, octal mode]. */
  readonly file_chmod?: readonly (readonly [string, string])[];
  readonly directory_created?: readonly string[];
  readonly directory_removed?: readonly string[];
  readonly command_line?: readonly string[];
  /** `ip:port`. */
  readonly connects_ip?: readonly string[];
  readonly connects_host?: readonly string[];
  readonly resolves_host?: readonly string[];
  readonly fetches_url?: readonly string[];
}

export interface GenericProcess {
  readonly pid: number;
  readonly ppid: number;
  readonly process_name: string;
  readonly process_path: string | null;
  readonly first_seen: number;
  readonly summary: BehaviorSummary;
}

export interface Process {
  readonly type: 'process';
  /** Unique per process instance within the report: pids are reused. Starts at 1, in order of first_seen. */
  readonly procid: number;
  readonly parent_procid: number | null;
  readonly pid: number;
  readonly ppid: number;
  readonly process_name: string;
  readonly process_path: string | null;
  readonly command_line: string;
  /** Unix seconds. */
  readonly first_seen: number;
  readonly ended: number | null;
  /** Exit code, or -signal; null when it was still running. */
  readonly exit_code: number | null;
  readonly track: boolean;
  readonly calls: readonly Call[];
}

export interface Call {
  /** Unix seconds. */
  readonly time: number;
  readonly tid: number;
  readonly api: string;
  /** process, file, network, system. */
  readonly category: string;
  /** p0…pn: the text strace printed, unescaped when it was a string; paths resolved against the working directory. */
  readonly arguments: Readonly<Record<string, string>>;
  readonly return_value: string;
  /** errno name, '' on success. */
  readonly status: string;
}

export interface ProcessNode {
  readonly procid: number;
  readonly pid: number;
  readonly ppid: number;
  readonly process_name: string;
  readonly command_line: string;
  readonly first_seen: number;
  readonly track: boolean;
  readonly children: readonly ProcessNode[];
}

/** Who sent it, when the traced calls could tell. */
export interface Origin {
  readonly procid?: number;
  readonly pid?: number;
  readonly process_name?: string;
}

export interface Network {
  readonly pcap_sha256?: string;
  readonly hosts: readonly string[];
  readonly domains: readonly { readonly domain: string; readonly ip: string }[];
  readonly dns: readonly DnsQuery[];
  readonly dns_servers: readonly string[];
  readonly http: readonly HttpRequest[];
  readonly tls: readonly TlsHello[];
  readonly tcp: readonly Flow[];
  readonly udp: readonly Flow[];
  readonly icmp: readonly IcmpPacket[];
  readonly smtp: readonly { readonly dst: string; readonly raw: string }[];
  readonly irc: readonly {
    readonly command: string;
    readonly params: string;
    readonly type: 'client' | 'server';
  }[];
  readonly dead_hosts: readonly (readonly [string, number])[];
  readonly mitm: readonly never[];
}

export interface DnsQuery extends Origin {
  readonly request: string;
  readonly type: string;
  readonly answers: readonly { readonly type: string; readonly data: string }[];
  /** Seconds since the first packet. */
  readonly time: number;
}

export interface HttpRequest extends Origin {
  readonly count: number;
  readonly host: string;
  readonly port: number;
  /** The request's head as text. */
  readonly data: string;
  /** Full URL. */
  readonly uri: string;
  readonly body: string;
  readonly path: string;
  readonly 'user-agent'?: string;
  readonly version: string;
  readonly method: string;
  readonly protocol: 'http' | 'https';
  readonly dst: string;
  readonly status: number;
  readonly time: number;
}

export interface TlsHello extends Origin {
  readonly sni: string | null;
  readonly ja3?: string;
  readonly dst: string;
  readonly dport: number;
  readonly session_id: string;
  readonly server_random: string;
  readonly time: number;
}

export interface Flow extends Origin {
  readonly src: string;
  readonly sport: number;
  readonly dst: string;
  readonly dport: number;
  readonly offset: number;
  readonly time: number;
  readonly bytes_out: number;
  readonly bytes_in: number;
  /** Name the destination was resolved from. */
  readonly host?: string;
  /** smtp, irc, ftp, http, tls … */
  readonly service?: string;
}

export interface IcmpPacket {
  readonly src: string;
  readonly dst: string;
  readonly type: number;
  readonly data: string;
}

export interface DroppedFile extends FileReport {
  /** Path in the guest. */
  readonly filepath: string | null;
  readonly pids: readonly number[];
  /** Was it removed again before the end of the run? */
  readonly deleted: boolean;
  /** False when the upload was cut. */
  readonly complete: boolean;
}

export interface Screenshot {
  readonly path: string;
  readonly ocr: string;
}

export interface Debug {
  readonly log: readonly string[];
  readonly cuckoo: readonly string[];
  readonly action: readonly string[];
  readonly errors: readonly string[];
}

export interface SignatureMatch {
  readonly name: string;
  readonly description: string;
  /** 1 informative … 5 certainly malicious. */
  readonly severity: 1 | 2 | 3 | 4 | 5;
  readonly families: readonly string[];
  readonly references: readonly string[];
  /** MITRE ATT&CK technique id → its name. */
  readonly ttp: Readonly<Record<string, { readonly short: string; readonly long: string }>>;
  /** At most 50. */
  readonly marks: readonly Mark[];
  /** All of them. */
  readonly markcount: number;
}

/** Proof of a match. */
export type Mark =
  | {
      readonly type: 'ioc';
      readonly category: string;
      readonly ioc: string;
      readonly description: string | null;
    }
  | {
      readonly type: 'call';
      readonly pid: number;
      readonly procid: number;
      readonly cid: number;
      readonly call: Call;
    };

export interface Additions {
  readonly outcome: { readonly status: string; readonly reason?: string };
  /** Milliseconds of each phase on the machine. */
  readonly phases: Phases;
  /** What a reader must know before trusting the report: truncated logs, skipped modules, tampering. */
  readonly notes: readonly string[];
  readonly score: Score;
}

export interface Score {
  readonly value: number;
  readonly label: 'no sign of malice' | 'suspicious' | 'likely malicious' | 'malicious';
  readonly parts: readonly { readonly signature: string; readonly points: number }[];
}
