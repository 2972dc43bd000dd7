import { bool, int, list, matching, mebibytes, text, unused, unusedKeys, type Section } from './field.js';
import type { Findings } from './findings.js';
import { noteUnknown, readConf, type Conf, type ConfSource } from './read-conf.js';
import { readTokens, type NamedToken } from './tokens.js';

const BACKLOG = 'backlog says how many tasks a node is given.';
const OVER_REST = 'reports come over the REST API of the node.';
const ALIAS = 'Another name of db, as Cuckoo has it.';

/** As SQLAlchemy writes it; its name of a driver does not matter here. */
export const DATABASE = /^(sqlite(\+\w+)?:\/\/\/(?!:memory:)[^?]+|postgres(ql)?(\+\w+)?:\/\/\S+)$/;
export const DATABASE_WORDS = 'sqlite:///<path> or postgresql://<user>:<password>@<host>/<name>';

export const QUEUE = /^(rediss?:\/\/\S+|unix:\/\/\/\S+)$/;
export const QUEUE_WORDS = 'redis://<host>:<port> or unix:///<path of the socket>';

export const FORMATS_WORDS =
  'names of reports separated by commas, such as json,html (pcap = yes is for the capture)';

/** A report becomes the file report.<format>; `pcap` has a key of its own. */
const FORMAT = /^(?!pcap$)[a-z0-9][a-z0-9_.-]{0,59}$/;

/** conf/distributed.conf. The keys of [distributed] are those of Cuckoo's utils/dist.py and of CAPE where they have one. */
export const DISTRIBUTED_CONF = {
  distributed: {
    host: matching(
      '127.0.0.1',
      /^[0-9a-zA-Z.:_-]+$/,
      'a host name or an IP address',
      'Address of the Distributed API. Anything but loopback needs a token: api_token, or one in [tokens].',
    ),
    port: int(9003, 'TCP port of the Distributed API; 0 = any free one.', { max: 65535 }),
    api_token: text(
      '',
      'Token of the Distributed API that may do everything: requests must then carry "Authorization: Bearer <token>".\nEmpty, and none in [tokens]: no authentication, and only loopback addresses may be listened on.',
    ),
    rate_limit: int(
      0,
      'Requests per minute of one client: of a token, or of an address where none is needed; 0 = no limit.',
    ),
    db: matching(
      'sqlite:///dist.db',
      DATABASE,
      DATABASE_WORDS,
      'Where nodes and tasks are stored. As everywhere in this file, a path that does not begin with / is below the folder\ndistributed of the home folder; sqlite:////<path> is one that does. Several controllers share one PostgreSQL.',
    ),
    database: matching('', DATABASE, `empty, ${DATABASE_WORDS}`, ALIAS),
    sqlalchemy_database_uri: matching('', DATABASE, `empty, ${DATABASE_WORDS}`, ALIAS),
    samples_directory: text('', 'Folder of the submitted files until their tasks have ended. Needed.'),
    reports_directory: text(
      '',
      'Folder of the reports until their tasks are deleted. Needed. Several controllers share both folders.',
    ),
    report_formats: {
      ...list(
        [],
        'Reports that are fetched of each task, such as json,html. What is not named is lost. Needed.',
      ),
      accepted: FORMATS_WORDS,
      parse: formats,
    },
    pcap: bool(false, 'Fetch the capture of each task too.'),
    uptime_logfile: text(
      '',
      'File that is given a line of JSON with the counters of each node, as Cuckoo wrote it. Empty: none.',
    ),
    upload_max_size: int(1073741824, 'Bytes that one submitted file may have.', { min: 1 }),
    freespace: int(
      1024,
      'MB that must be free in samples_directory and in reports_directory to accept a task; 0 = do not look.',
    ),
    interval: int(10, 'Seconds between two looks at a node.', { min: 1, max: 3600 }),
    backlog: int(2, 'Tasks that a node is given for each of its machines: what runs, and what waits there.', {
      min: 1,
      max: 1000,
    }),
    ageing: int(
      600,
      'Seconds of waiting that lift a task as much as one level of priority, so that none waits for ever; 0 = none do.',
      { max: 31_536_000 },
    ),
    lost_after: int(
      3600,
      'Seconds without an answer after which a node has lost its tasks: they are given to another one.',
      { min: 10, max: 31_536_000 },
    ),
    attempts: int(3, 'Times that a task is handed to a node before it fails.', { min: 1, max: 100 }),
    failed_clean: bool(
      false,
      'Delete tasks that failed on their node from it as well. no: they stay there, to be looked at.',
    ),
    worker_processes: unused('4', 'one process serves all nodes.', ['']),
    batch_size: unused('500', BACKLOG, ['']),
    threshold: unused('500', BACKLOG, ['']),
    enabled: unused('no', '`malkoha distributed` starts it.', ['yes']),
    auth_token: unused('', 'the tokens are api_token and those in [tokens].'),
    master_storage_only: unused('no', '`malkoha distributed` never analyses anything itself.', ['yes']),
    remove_task_on_worker: unused('no', 'the copy on the node is deleted once its reports are here.', [
      'yes',
    ]),
    dead_count: unused('5', 'a node that does not answer is asked less and less often, and given no tasks.'),
    dist_threads: unused('4', 'each node has a queue of its own.'),
    enable_tags: unused('no', 'tags are always matched against the machines of a node.', ['yes']),
    restapi: unused('no', OVER_REST, ['yes']),
    nfs: unused('no', OVER_REST),
    ignore_patterns: unused(
      'binary, dump_sorted.pcap, memory.dmp, logs',
      'report_formats says what is fetched.',
    ),
    main_server_name: unused('master', 'nodes are those that were added.'),
    submit_only: unused('no', 'reports are always fetched.'),
  },
  nodes: {
    connect_timeout: int(10, 'Seconds until the connection to a node must stand.', { min: 1, max: 600 }),
    answer_timeout: int(
      120,
      'Seconds that a node may take to answer; that an upload or a download may stand still.',
      { min: 1, max: 3600 },
    ),
    report_max_size: mebibytes(1024, 'How large one report of a node may be.', { min: 1 }),
    allow_link_local: bool(
      false,
      'May a node have a link-local address (169.254.…, fe80:…)? Clouds keep the secrets of a host there.',
    ),
  },
  retention: {
    reports_days: int(0, 'Days after which a task that has ended is deleted with its reports; 0 = never.', {
      max: 36_500,
    }),
    statuses_days: int(60, 'Days that the counters of the nodes are kept for /api/stats.', {
      min: 1,
      max: 3650,
    }),
  },
  queue: {
    connection: matching(
      '',
      QUEUE,
      `empty, ${QUEUE_WORDS}`,
      'Redis that carries the jobs; several controllers share one. Empty: a private redis-server, its data in the home folder.',
    ),
  },
  NFS: unusedKeys(OVER_REST, {
    mount_folder: 'workers',
    fstab_socket: '/tmp/cape-fstab',
    allowed_networks: '',
  }),
  GCP: unusedKeys('nodes are added with `malkoha node add`.', {
    enabled: 'no',
    zones: '',
    project_id: '',
    token: '',
    autodiscovery: '600',
  }),
} as const satisfies Record<string, Section>;

/** Sections that neither Cuckoo nor CAPE has. */
const OURS = ['nodes', 'retention', 'queue'] as const;

export interface DistributedSettings {
  readonly host: string;
  readonly port: number;
  /** None: the API asks for no token. */
  readonly tokens: readonly NamedToken[];
  /** The text of `api_token`, for commands that ask the API. */
  readonly apiToken: string;
  /** Requests a minute of one client; 0: no limit. */
  readonly rateLimit: number;
  /** Bytes of one submitted file. */
  readonly uploadMaxSize: number;
  /** MB; 0: do not look. */
  readonly freespace: number;
  /** As SQLAlchemy writes it. */
  readonly db: string;
  /** Folders; empty when nobody said. */
  readonly samplesDirectory: string;
  readonly reportsDirectory: string;
  readonly reportFormats: readonly string[];
  readonly pcap: boolean;
  readonly uptimeLogfile: string | null;
  /** Seconds between two looks at a node. */
  readonly interval: number;
  /** Tasks per machine of a node. */
  readonly backlog: number;
  /** Seconds of waiting that make up for one step of priority; 0: none do. */
  readonly ageing: number;
  /** Seconds without an answer after which a node has lost its tasks. */
  readonly lostAfter: number;
  readonly attempts: number;
  /** Are failed tasks deleted on their node, too? */
  readonly failedClean: boolean;
  readonly node: {
    /** Seconds. */
    readonly connectTimeout: number;
    /** Seconds. */
    readonly answerTimeout: number;
    /** Bytes. */
    readonly reportMaxSize: number;
    readonly allowLinkLocal: boolean;
  };
  readonly retention: {
    /** 0: for ever. */
    readonly reportsDays: number;
    readonly statusesDays: number;
  };
  /** redis://… or unix://…; empty: the private Redis of this home. */
  readonly queue: string;
}

export function distributedSettings(source: ConfSource, findings: Findings): DistributedSettings {
  const conf = readConf(source, { schema: DISTRIBUTED_CONF, strict: OURS }, findings);
  const unknown = new Map([...conf.others].filter(([name]) => name !== 'tokens'));
  noteUnknown({ ...DISTRIBUTED_CONF, tokens: {} }, unknown, findings);
  const { distributed: own, nodes, retention, queue } = conf.values;
  return {
    host: own.host,
    port: own.port,
    tokens: readTokens(own.api_token, conf.others.get('tokens')?.entries ?? [], findings),
    apiToken: own.api_token,
    rateLimit: own.rate_limit,
    uploadMaxSize: own.upload_max_size,
    freespace: own.freespace,
    db: database(conf, findings),
    samplesDirectory: own.samples_directory,
    reportsDirectory: own.reports_directory,
    reportFormats: own.report_formats,
    pcap: own.pcap,
    uptimeLogfile: own.uptime_logfile === '' ? null : own.uptime_logfile,
    interval: own.interval,
    backlog: own.backlog,
    ageing: own.ageing,
    lostAfter: own.lost_after,
    attempts: own.attempts,
    failedClean: own.failed_clean,
    node: {
      connectTimeout: nodes.connect_timeout,
      answerTimeout: nodes.answer_timeout,
      reportMaxSize: nodes.report_max_size * 1024 * 1024,
      allowLinkLocal: nodes.allow_link_local,
    },
    retention: { reportsDays: retention.reports_days, statusesDays: retention.statuses_days },
    queue: queue.connection,
  };
}

/** Formats that a person named, without repeats; undefined when one could not be a report. */
export function formats(value: string): readonly string[] | undefined {
  const named = [...new Set(value.split(',').map((item) => item.trim().toLowerCase()))].filter(
    (name) => name !== '',
  );
  return named.every((name) => FORMAT.test(name)) ? named : undefined;
}

/** One of its three names; two that differ are a mistake. */
function database({ values, given }: Conf<typeof DISTRIBUTED_CONF>, findings: Findings): string {
  const own = values.distributed;
  const [first, ...more] = (['db', 'database', 'sqlalchemy_database_uri'] as const).flatMap((key) => {
    const entry = given.get(`distributed.${key}`);
    return entry === undefined || own[key] === '' ? [] : [{ key, entry, value: own[key] }];
  });
  if (first === undefined) return own.db;
  for (const { key, entry, value } of more)
    if (value !== first.value)
      findings.problem(
        entry,
        `[distributed] ${key} is another name of ${first.key}, which is set to something else`,
      );
  return first.value;
}
