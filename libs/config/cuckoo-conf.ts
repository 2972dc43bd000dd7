import { bool, int, matching, mebibytes, text, unused, weights, type Section } from './field.js';

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
    version_check: unused('yes', 'nothing here calls home.'),
    ignore_vulnerabilities: unused('no', 'nothing here calls home.'),
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
    tmppath: unused('', 'uploads stream into storage/binaries.'),
    rooter: text(
      '',
      'Socket of `malkoha rooter`, which guests on bridges need; the default guest does not. Empty: run/rooter.sock in\nthe home folder.',
    ),
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
    force_port: unused('no', 'it had none in Cuckoo either.'),
    pool_size: unused('0', 'connections are bounded per task.'),
  },
  timeouts: {
    default: int(120, 'Seconds a sample may run when its task does not say.', { min: 1, max: 86_400 }),
    critical: int(60, 'Seconds after that until the machine is stopped whatever the guest says.', {
      min: 1,
      max: 86_400,
    }),
    vm_state: int(60, 'Seconds a machine may take to start or to stop.', { min: 1, max: 3600 }),
  },
  database: {
    connection: matching(
      '',
      /^(sqlite:\/\/\/|postgres(ql)?:\/\/)\S+$/,
      'empty, sqlite:///<path> or postgresql://<user>:<password>@<host>/<name>',
      'Where tasks are stored. Empty: the SQLite file malkoha.db in the home folder.',
    ),
    timeout: int(60, 'Seconds to wait for a connection of the pool.', { min: 1, max: 3600 }),
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
    analysis_size_limit: unused('134217728', 'logs are read as streams, each section with its own bound.'),
    resolve_dns: unused('yes', 'names come from the capture; the host asks nobody about a sample.'),
    sort_pcap: unused('yes', 'the capture is read in its own order.'),
  },
  feedback: {
    enabled: unused('no', 'nothing here calls home.'),
    name: unused('', 'nothing here calls home.'),
    company: unused('', 'nothing here calls home.'),
    email: unused('', 'nothing here calls home.'),
  },
  remotecontrol: {
    enabled: unused('no', 'there is no remote control.'),
    guacd_host: unused('localhost', 'there is no remote control.'),
    guacd_port: unused('4822', 'there is no remote control.'),
  },
} as const satisfies Record<string, Section>;
