import { bool, int, matching, mebibytes, text, unused, unusedKeys, weights, type Section } from './field.js';

/** conf/cuckoo.conf. Keys and defaults are Cuckoo 2.0.7's unless a default would not be safe or not fit one host. */
export const CUCKOO_CONF = {
  cuckoo: {
    api_token: text(
      '',
      'Token of the REST API that may do everything: requests must then carry "Authorization: Bearer <token>".\nEmpty, and none in [tokens]: no authentication, and only loopback addresses may be listened on.',
    ),
    machinery: matching(
      'qemu',
      /^[a-z][a-z0-9]*(\s*,\s*[a-z][a-z0-9]*)*$/,
      'names of machinery separated by commas, such as qemu',
      'What runs the machines, of qemu, kvm (libvirt), virtualbox and fake (no hypervisor: nothing runs); <name>.conf holds\ntheir settings.',
    ),
    freespace: int(
      1024,
      'MB that must be free below the home folder to accept and to start an analysis; 0 = do not look.',
    ),
    memory_dump: bool(false, 'Dump the full memory of the machine after every analysis.'),
    delete_original: unused(
      'no',
      'a submitted file is streamed into storage/binaries and has no other copy.',
    ),
    version_check: unused('yes', 'nothing here calls home.', ['no']),
    ignore_vulnerabilities: unused('no', 'nothing here calls home.', ['yes']),
    web_secret: unused('', 'the pages use the same token as the API.'),
    delete_bin_copy: unused('no', 'samples are kept; an analysis can be examined again at any time.'),
    terminate_processes: unused('no', 'the machine is thrown away after each analysis.'),
    reschedule: bool(
      true,
      'May a task whose worker died run again (at most three times)? no: it ends as failed_analysis.',
    ),
    process_results: bool(
      true,
      'Write reports as analyses end. no: they stay completed until `malkoha process` is told to.',
    ),
    max_analysis_count: unused('0', 'stop the daemon instead.'),
    max_machines_count: int(0, 'Machines of one worker that run tasks at the same time; 0 = all there are.'),
    max_vmstartup_count: int(
      10,
      'Machines of one worker that are restored at the same time, but no more than half its processors; 0 = one.',
    ),
    tmppath: unused('', 'uploads stream into storage/binaries.', ['/tmp']),
    rooter: text(
      '',
      'Socket of `malkoha rooter`, which guests on bridges need; the default guest does not. Empty: run/rooter.sock in\nthe home folder.',
    ),
    ignore_signals: unused('yes', 'Ctrl-C ends a lab in order.', ['no']),
    timezone: unused('utc', 'times are in UTC.'),
    categories: unused(
      'static, pcap, url, file',
      'files, archives and URLs are analysed, whatever is listed.',
    ),
    delete_archive: unused('on', 'archives are kept as they were submitted.', ['off']),
    machinery_screenshots: unused(
      'off',
      'the guest sends its pictures; the hypervisor takes them when it does not.',
    ),
    scaling_semaphore: unused('off', 'every machine that is free takes a task.', ['on']),
    scaling_semaphore_update_timer: unused('10', 'every machine that is free takes a task.'),
    task_timeout: unused('off', '[scheduler] patience says how long a task waits for a machine.'),
    task_pending_timeout: unused('0', '[scheduler] patience says how long a task waits for a machine.'),
    task_timeout_scan_interval: unused(
      '30',
      '[scheduler] patience says how long a task waits for a machine.',
    ),
    fail_unserviceable: unused('on', '[scheduler] patience says how long a task waits for a machine.'),
    allow_static: unused('no', 'there are no tasks without a run.'),
    freespace_processing: unused('15000', 'freespace is looked at before an analysis.'),
    daydelta: unused('0', "a task's clock option sets the day."),
    periodic_log: unused('off', '/metrics and `malkoha status` tell what goes on.'),
    max_len: unused('196', 'names of files are kept as they are, within what the file system takes.', [
      '100',
    ]),
    sanitize_len: unused('32', 'names of files are kept as they are, within what the file system takes.'),
    sanitize_to_len: unused('24', 'names of files are kept as they are, within what the file system takes.'),
  },
  resultserver: {
    ip: matching(
      '127.0.0.1',
      /^[0-9a-fA-F.:]+$/,
      'an IP address',
      'Address the result server listens on. Guests on a bridge need the address of that bridge.',
    ),
    port: int(2042, 'TCP port of the result server; 0 = any free one.', { max: 65535 }),
    upload_max_size: int(134217728, 'Bytes that one file uploaded by a guest may have.', { min: 1 }),
    force_port: unused('no', 'a port that cannot be had is told at start.', ['yes']),
    pool_size: unused('0', 'connections are bounded per task.'),
    store_csvs: unused('off', 'what an analysis leaves is in its report.'),
    do_upload_max_size: unused('no', 'upload_max_size always holds.', ['yes']),
    multiworker: unused('no', 'each worker has a result server of its own.'),
    base_port: unused('2042', 'port is the port.'),
  },
  timeouts: {
    default: int(120, 'Seconds a sample may run when its task does not say.', { min: 1, max: 86_400 }),
    critical: int(60, 'Seconds after that until the machine is stopped whatever the guest says.', {
      min: 1,
      max: 86_400,
    }),
    vm_state: int(60, 'Seconds a machine may take to start or to stop.', { min: 1, max: 3600 }),
    stuck_seconds: unused('100', 'a guest that does not answer is told by its machine and its agent.'),
  },
  database: {
    connection: matching(
      '',
      /^(sqlite:\/\/\/|postgres(ql)?:\/\/)\S+$/,
      'empty, sqlite:///<path> or postgresql://<user>:<password>@<host>/<name>',
      'Where tasks are stored. Empty: the SQLite file malkoha.db in the home folder.',
    ),
    timeout: int(60, 'Seconds to wait for a connection of the pool.', { min: 1, max: 3600 }),
    psql_ssl_mode: unused('disable', 'write ?sslmode=… at the end of the connection.'),
    log_statements: unused('off', 'statements are not logged.'),
  },
  queue: {
    connection: matching(
      '',
      /^(rediss?:\/\/\S+|unix:\/\/\/\S+)$/,
      'empty, redis://<host>:<port> or unix:///<path of the socket>',
      'Redis that carries the jobs. Empty: a private redis-server on a socket in the home folder.',
    ),
  },
  artifacts: {
    location: matching(
      '',
      /^(\/.*|s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/[\w!.*'()/-]*)?)$/,
      'empty, /<folder> or s3://<bucket>/<prefix>',
      'Where samples and what analyses leave are kept. Empty: the folder storage in the home folder. A folder that all hosts\nshare (NFS) is used in its place; in an object store that speaks S3 every host keeps what it needs of it in its own storage.',
    ),
    endpoint: matching(
      '',
      /^https?:\/\/[^\s/]+\/?$/,
      'empty or http(s)://<host>:<port>',
      'Address of the object store (MinIO, Ceph, Garage …). Empty: Amazon S3 of the region.',
    ),
    region: matching('us-east-1', /^[\w-]+$/, 'a name', 'Region of the object store; many take any.'),
    access_key: text(
      '',
      'Key of the object store. Empty: what the AWS library finds in the environment, in ~/.aws, or of the instance.',
    ),
    secret_key: text('', 'Its secret; both or none.'),
    cache_size: mebibytes(
      20480,
      'How much of the object store this host keeps; the longest unused goes first, nothing that was used within the hour.\nNo limit: 0.',
      { min: 0 },
    ),
  },
  api: {
    host: matching(
      '127.0.0.1',
      /^[0-9a-zA-Z.:_-]+$/,
      'a host name or an IP address',
      'Address of the REST API. Anything but loopback needs a token: api_token, or one in [tokens].',
    ),
    port: int(8090, 'TCP port of the REST API; 0 = any free one.', { max: 65535 }),
    upload_max_size: int(1073741824, 'Bytes that one submitted file may have.', { min: 1 }),
    rate_limit: int(
      0,
      'Requests per minute of one client: of a token, or of an address where none is needed; 0 = no limit.',
    ),
  },
  scheduler: {
    ageing: int(
      600,
      'Seconds of waiting that lift a task as much as one level of priority, so that none waits for ever; 0 = none do.',
      { max: 31_536_000 },
    ),
    weights: weights(
      'Shares of the machines among those who wait with the same priority, by API token or else by owner, such as\nmail=3,research=1. Whoever is not named has 1.',
    ),
    patience: int(
      0,
      'Seconds that a task waits when the lab has no machine, free or not, that could run it, for a worker that has one to\nstart; 0 = it fails at once. With many hosts, as long as the slowest takes to start.',
      { max: 31_536_000 },
    ),
    min_memory: int(
      256,
      "MB of memory that must be available on a worker's host to begin an analysis; 0 = do not look.",
    ),
    max_load: int(
      0,
      'Load of the last minute per processor, in percent, above which no analysis begins; 0 = do not look.',
    ),
  },
  webhooks: {
    allow_private: bool(
      false,
      'May webhooks be sent to this host and its network (loopback, link-local, private addresses)?',
    ),
  },
  processing: {
    analysis_size_limit: unused('134217728', 'logs are read as streams, each section with its own bound.', [
      '104857600',
      '200000000',
    ]),
    resolve_dns: unused('yes', 'names come from the capture; the host asks nobody about a sample.', ['no']),
    sort_pcap: unused('yes', 'the capture is read in its own order.', ['no']),
    reverse_dns: unused('off', 'names come from the capture; the host asks nobody about a sample.'),
  },
  feedback: unusedKeys('nothing here calls home.', { enabled: 'no', name: '', company: '', email: '' }),
  remotecontrol: {
    enabled: bool(
      false,
      'Open the screens of VirtualBox machines while they run (RDP), at the controlports of virtualbox.conf on the loopback of\nthe host that VirtualBox runs on.',
    ),
    ...unusedKeys('screens are reached by RDP, not through Guacamole.', {
      guacd_host: 'localhost',
      guacd_port: '4822',
    }),
  },
  tmpfs: unusedKeys('memory dumps are written to disk, next to the other artefacts.', {
    enabled: 'off',
    path: '/mnt/tmpfs/',
    freespace: '2000',
  }),
  cleaner: unusedKeys('what an analysis left stays until its task is deleted.', { enabled: 'no' }),
  central_mode: unusedKeys('[artifacts] and [queue] are there for many hosts.', { enabled: 'no' }),
  multitenancy: unusedKeys('all who may read may read all; [tokens] gives scopes.', {
    enabled: 'no',
    mode: 'shared',
  }),
} as const satisfies Record<string, Section>;
