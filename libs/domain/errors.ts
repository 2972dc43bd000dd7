/**
 * Every failure this project raises on purpose, in one table; docs/errors.md is made from it.
 *
 * - `retry`: may the same job succeed if tried again? (drives BullMQ attempts)
 * - `http`:  status the API answers with when the error reaches a request
 * - `help`:  what an operator should do first (printed by the CLI)
 */
export const ERRORS = {
  USAGE: { retry: false, http: 400, help: 'Run `malkoha help` for the commands and their options.' },
  BAD_REQUEST: { retry: false, http: 400, help: 'Correct the named field and send the request again.' },
  CONFIG_INVALID: {
    retry: false,
    http: 500,
    help: 'Correct the named line; conf/ in the source holds every key with its default.',
  },
  SETUP_MISSING: { retry: false, http: 503, help: 'Run the printed command as root, then try again.' },
  DATABASE_NEWER: {
    retry: false,
    http: 503,
    help: 'Update Malkoha on this host to the version of the other processes of the lab; a database never goes back.',
  },
  DATABASE_TAKEN: {
    retry: false,
    http: 503,
    help: 'Name another, empty database: `connection` in [database] of cuckoo.conf; `--db`, or `db` in distributed.conf, for the Distributed API.',
  },
  NO_DISK_SPACE: {
    retry: true,
    http: 507,
    help: 'Free disk space in the named folder, or lower `freespace` in cuckoo.conf (of the Distributed API: distributed.conf).',
  },
  PORT_IN_USE: {
    retry: false,
    http: 503,
    help: 'Stop the named process, or choose another port: `--port` (`malkoha distributed HOST PORT`), or `port` in the .conf file.',
  },
  CANNOT_LISTEN: {
    retry: false,
    http: 503,
    help: 'Choose another address or port on the command line, or `host` and `port` in the .conf file: 127.0.0.1 is for this host alone; for others to reach it, set a token first.',
  },
  ALREADY_RUNNING: { retry: false, http: 503, help: 'Use the running daemon, or stop it first.' },
  DAEMON_UNREACHABLE: {
    retry: true,
    http: 503,
    help: 'Start the daemon with `malkoha up` (the Distributed API with `malkoha distributed`), or name its address with `--host` and `--port`.',
  },
  TOKEN_NEEDED: {
    retry: false,
    http: 401,
    help: 'Give a token of cuckoo.conf, or of distributed.conf for the Distributed API (`api_token`, or one in [tokens]), with `--token` or in $MALKOHA_TOKEN.',
  },
  SCOPE_MISSING: {
    retry: false,
    http: 403,
    help: 'Use a token that has the named scope; [tokens] in cuckoo.conf (or distributed.conf) gives scopes to tokens.',
  },
  FOREIGN_PAGE: {
    retry: false,
    http: 403,
    help: 'Only browsers are refused so: open the API by its own address, or ask with a program.',
  },
  RATE_LIMITED: {
    retry: true,
    http: 429,
    help: 'Wait as long as the message says, and ask less often; `rate_limit` in cuckoo.conf (or distributed.conf) is the limit.',
  },
  REQUEST_TOO_SLOW: {
    retry: true,
    http: 408,
    help: 'Send the request again, without pauses; is the network between broken?',
  },
  TASK_NOT_FOUND: {
    retry: false,
    http: 404,
    help: 'List the tasks with `malkoha task list` or GET /tasks/list.',
  },
  SAMPLE_MISSING: {
    retry: false,
    http: 404,
    help: 'The stored sample is gone or changed; submit the file again.',
  },
  ARTIFACTS_UNAVAILABLE: {
    retry: true,
    http: 503,
    help: 'Does the object store answer, and take the key? [artifacts] in cuckoo.conf names both.',
  },
  ARTIFACTS_DAMAGED: {
    retry: false,
    http: 500,
    help: 'What is stored under the named key is not what was written: restore it, or run the task again.',
  },
  NO_MATCHING_MACHINE: {
    retry: false,
    http: 422,
    help: 'No configured machine has the name, platform or tags asked for; see GET /machines/list.',
  },
  GUEST_BUILD_FAILED: {
    retry: false,
    http: 503,
    help: 'Read the named build log; the next run starts the build again.',
  },
  TEMPLATE_FAILED: {
    retry: true,
    http: 503,
    help: 'Remove the template folder named in the message; it is made again at the next start.',
  },
  MACHINE_START_FAILED: {
    retry: true,
    http: 503,
    help: 'Read the reason in the message; the machine is tested again before its next use.',
  },
  MACHINE_STOP_FAILED: {
    retry: true,
    http: 503,
    help: 'End the named hypervisor process by hand; the machine stays quarantined until then.',
  },
  AGENT_UNREACHABLE: {
    retry: true,
    http: 503,
    help: 'Is the agent running in the snapshot, and its port reachable?',
  },
  AGENT_REFUSED: {
    retry: false,
    http: 502,
    help: 'The agent answered with an error; its text is in the message.',
  },
  GUEST_LOST: {
    retry: false,
    http: 503,
    help: 'The machine ended or stopped answering while the sample ran; results up to then are kept.',
  },
  WORKER_LOST: {
    retry: true,
    http: 503,
    help: 'The worker that ran the task was killed or cut off; is its host out of memory? Retry the task.',
  },
  ROUTE_UNAVAILABLE: {
    retry: false,
    http: 422,
    help: 'Choose a route that routing.conf has, and mend what the message names; the default guest has inetsim and drop.',
  },
  ROOTER_AWAY: {
    retry: true,
    http: 422,
    help: 'On the host of the worker, start or restart `malkoha rooter` as root; its log says why it ended.',
  },
  ROUTE_FAILED: {
    retry: true,
    http: 422,
    help: 'The rooter could not change the network: the message names the program and what it said. Is another firewall in its way?',
  },
  CAPTURE_FAILED: { retry: true, http: 503, help: 'Is the analysis folder writable and the disk not full?' },
  CANCELLED: { retry: false, http: 409, help: 'The task was cancelled; submit it again to run it.' },
  PROCESSING_FAILED: {
    retry: true,
    http: 500,
    help: 'The artefacts are kept: run `malkoha process ID` after mending the cause.',
  },
  REPORTING_FAILED: {
    retry: true,
    http: 500,
    help: 'The artefacts are kept: run `malkoha process ID` after mending the cause.',
  },
  DATABASE_UNAVAILABLE: {
    retry: true,
    http: 503,
    help: 'The database does not answer; send the request again in a moment (with an Idempotency-Key, when it submits).',
  },
  DATABASE_NOT_OPEN: {
    retry: true,
    http: 503,
    help: 'Does the database run, and may this user open it? Correct --database, or `connection` in [database] of cuckoo.conf (of the Distributed API: --db, or `db` in distributed.conf).',
  },
  QUEUE_UNAVAILABLE: {
    retry: true,
    http: 503,
    help: 'Redis does not answer; accepted tasks are kept and go on when it is back.',
  },
  PROTOCOL_VIOLATION: {
    retry: false,
    http: 500,
    help: 'Guest and host speak different versions, or the sample tampered.',
  },
  NODE_UNREACHABLE: {
    retry: true,
    http: 502,
    help: 'Does the node run, is its URL right, and can this host reach it? Once it is added, `malkoha node check NAME` says where it ends.',
  },
  NODE_ODD: {
    retry: true,
    http: 502,
    help: 'What answers there is no REST API of Malkoha, Cuckoo or CAPE: is the URL right, path and port too (CAPE: …/apiv2/)? Once it is added, `malkoha node check NAME` says what came.',
  },
  NODE_DENIED: {
    retry: true,
    http: 502,
    help: 'Give the API token of the node with `malkoha node add NAME URL --node-token T`; with the same name for one that is there.',
  },
  NODE_BUSY: {
    retry: true,
    http: 502,
    help: 'The node asks to be asked less often, or is full; it is tried again.',
  },
  NODE_REFUSED: {
    retry: false,
    http: 502,
    help: 'The node does not take this task as it is; its reason is in the message.',
  },
  NODE_ADDRESS: {
    retry: false,
    http: 400,
    help: 'Give the http:// or https:// URL of the REST API of the node, such as http://10.0.0.5:8090/.',
  },
  REPORT_MISSING: {
    retry: true,
    http: 502,
    help: 'Is that report switched on in reporting.conf of the node? `report_formats` must name only such.',
  },
  REPORT_INVALID: {
    retry: true,
    http: 502,
    help: 'The report did not come whole, or is not what it should be; the copy on the node is kept.',
  },
  INTERNAL: {
    retry: false,
    http: 500,
    help: 'This is a defect of ours: please report it with the lines of the log around it.',
  },
  UPLOAD_TOO_LARGE: {
    retry: false,
    http: 413,
    help: 'Raise `upload_max_size` in cuckoo.conf (or distributed.conf) if the size is expected.',
  },
} as const satisfies Record<string, { retry: boolean; http: number; help: string }>;

export type ErrorCode = keyof typeof ERRORS;

export function isErrorCode(text: string | undefined): text is ErrorCode {
  return text !== undefined && Object.hasOwn(ERRORS, text);
}

/** Callers branch on `code`; the message is for people and may change. */
export class SandboxError extends Error {
  override readonly name: string = 'SandboxError';

  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  get retry(): boolean {
    return ERRORS[this.code].retry;
  }

  get help(): string {
    return ERRORS[this.code].help;
  }
}

/** Bytes that break a wire format. `offset` counts from the start of the stream. */
export class ProtocolError extends SandboxError {
  override readonly name = 'ProtocolError';

  constructor(
    message: string,
    readonly offset: number,
    options?: ErrorOptions,
  ) {
    super('PROTOCOL_VIOLATION', `${message} (offset ${offset})`, options);
  }
}

/** One line about any thrown value, safe to show: the message, and its cause's when there is one. */
export function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Node's word for an address family each that failed: it has no message of its own.
  if (error instanceof AggregateError && error.message === '') return reason(error.errors[0]);
  const cause = error.cause === undefined ? '' : `: ${reason(error.cause)}`;
  return `${error.message}${cause}`;
}
