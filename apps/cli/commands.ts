import { DISTRIBUTED_HELP, NODE_HELP } from './help-texts/nodes.js';
import { CONNECTION_HELP, EXIT_HELP, HOME_HELP, PLACES_HELP } from './help-texts/parts.js';

/** What a command module exports. */
export interface Command {
  /** Returns the exit code: 0 done, 1 it failed, 2 wrong usage, 130 interrupted. */
  run(args: readonly string[]): Promise<number>;
}

interface CommandEntry {
  readonly summary: string;
  readonly load: () => Promise<Command>;
  /** Text of `help COMMAND`. */
  readonly help: string;
}

/** Every command, in the order `help` shows them. Adding one = a file in commands/ and a row here. */
export const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  analyze: {
    summary: 'run files or URLs in a fresh machine and show what they did',
    load: () => import('./commands/analyze.js'),
    help: `usage: malkoha analyze [options] FILE|URL|DIR…

Runs each file (every file of a folder) or URL in a clean virtual machine and
prints what it did. Uses the daemon of this home folder if one runs; otherwise
starts everything it needs, and stops it at the end.

  --timeout N       seconds the sample may run
                    (default: [timeouts] default in cuckoo.conf, 120)
  --package P       how to run it: generic, sh, python, perl, js, url
                    (default: chosen by file type)
  --options K=V,…   for the guest: arguments=…, user=NAME, free=yes,
                    route=inetsim|drop
  --machine M       run on this machine only
  --platform P      run on a machine of this platform (linux, windows)
  --arch A          run on a machine of this architecture (x64, x86, arm64)
  --tags A,B        run on a machine that has all of these tags
                    and what else \`malkoha help submit\` has for a submission
  --machinery M     what runs the machines when no daemon runs: qemu, or
                    fake to try Malkoha without a hypervisor
                    (default: that of cuckoo.conf)
  --json            one JSON document on stdout (an array for several targets),
                    nothing else there
${CONNECTION_HELP}

${EXIT_HELP}`,
  },
  up: {
    summary: 'run the whole lab in the foreground: API, machines, queue',
    load: () => import('./commands/up.js'),
    help: `usage: malkoha up [options]

Runs the REST API, the machines and a private Redis on this host until Ctrl-C.
Ctrl-C stops taking work, hands back what cannot finish (it stays pending) and
exits; a second Ctrl-C ends everything at once.

  --machinery M,…   what runs the machines: qemu, kvm (libvirt), virtualbox, or
                    fake (no hypervisor: guests are scripted, no sample runs),
                    or several of them
                    (default: [cuckoo] machinery in cuckoo.conf, qemu)
  --machines N      how many default guests of each machinery (default: of qemu
                    as many as memory and cores allow, at most 4; of fake 4)
  --host H          address of the REST API (default 127.0.0.1; another address
                    needs a token in cuckoo.conf)
  --port P          port of the REST API (default 8090)
${HOME_HELP}`,
  },
  api: {
    summary: 'run the REST API alone, in the foreground',
    load: () => import('./commands/api.js'),
    help: `usage: malkoha api [options]

Runs the REST API without machines or a queue of its own, beside the workers of
a lab, until Ctrl-C. Once it is ready, stdout has one line of JSON with its URL.

  -H, --host H      address to listen on (default: [api] host in cuckoo.conf;
                    another than loopback needs a token there)
  -p, --port P      port (default: [api] port in cuckoo.conf, 8090)
${PLACES_HELP}
${HOME_HELP}

${EXIT_HELP}`,
  },
  worker: {
    summary: 'run a worker with its machines alone, in the foreground',
    load: () => import('./commands/worker.js'),
    help: `usage: malkoha worker [options]

Runs a worker: it has machines, takes tasks of the lab's queue and writes their
reports, until Ctrl-C (what cannot finish is handed back and stays pending), or
until it is drained (\`malkoha help machine\`).

  --name N          its name in the lab, which its default machines begin with
                    (default: the host's name)
  --machinery M,…   what runs the machines: qemu, kvm (libvirt), virtualbox,
                    fake, or several of them
                    (default: [cuckoo] machinery in cuckoo.conf, qemu)
  --machines N      how many default guests of each machinery
${PLACES_HELP}
${HOME_HELP}

${EXIT_HELP}`,
  },
  distributed: {
    summary: 'one REST API before several nodes (Malkoha, Cuckoo, CAPE)',
    load: () => import('./commands/distributed.js'),
    help: DISTRIBUTED_HELP,
  },
  rooter: {
    summary: 'open routes for guests on bridges; runs as root',
    load: () => import('./commands/rooter.js'),
    help: `usage: malkoha rooter [options] [SOCKET]

Lets the guests of your own machines (kvm, virtualbox, qemu) reach what the
route of their task allows, and nothing else, until Ctrl-C. It alone needs to
be root; workers ask it over SOCKET. While it runs, the interfaces that the
machines are behind are closed to everything else (docs/howto/routing.md).

  SOCKET            default: [cuckoo] rooter in cuckoo.conf, else
                    run/rooter.sock in the home folder
  --user NAME       whom the socket is for (default: the owner of its folder)
  -g, --group NAME  a group that may use it as well
  --machinery M,…   whose machines: as the worker's (default: [cuckoo]
                    machinery in cuckoo.conf, qemu)
${HOME_HELP}

${EXIT_HELP}`,
  },
  submit: {
    summary: 'hand files or URLs to a running daemon',
    load: () => import('./commands/submit.js'),
    help: `usage: malkoha submit [options] FILE|URL|DIR…

Submits each file (every file of a folder) or URL to the daemon and prints its
task's id, one a line.

  --package P       how to run it: generic, sh, python, perl, js, url
                    (default: chosen by file type)
  --timeout N       seconds the sample may run
                    (default: [timeouts] default in cuckoo.conf, 120)
  --enforce-timeout   run for the whole time even if the sample ends before
  --priority N      larger runs first (default 1)
  --options K=V,…   for the guest: arguments=…, user=NAME, free=yes,
                    route=inetsim|drop
  --machine M       run on this machine only
  --platform P      run on a machine of this platform (linux, windows)
  --arch A          run on a machine of this architecture (x64, x86, arm64)
  --tags A,B        run on a machine that has all of these tags
  --memory          dump the machine's memory at the end
  --clock TIME      what the guest's clock says (default: now), such as
                    "2026-12-24 18:00:00"
  --owner NAME, --custom TEXT   kept with the task
  --unique          refuse a file that was submitted before
  --wait            follow the tasks until they have ended; 1 when one failed
  --json            {"tasks": [{"task_id", "target", …}]} on stdout,
                    nothing else there
${CONNECTION_HELP}

${EXIT_HELP}`,
  },
  task: {
    summary: 'list, view, watch, explain, cancel, delete, retry; get reports',
    load: () => import('./commands/task.js'),
    help: `usage: malkoha task list [--status S] [--owner NAME] [--limit N] [--offset N]
       malkoha task view ID
       malkoha task watch [ID]
       malkoha task report ID [--format F] [-o FILE]
       malkoha task explain ID
       malkoha task cancel ID
       malkoha task delete ID
       malkoha task failed [--outcome O] [--since TIME] [--limit N]
       malkoha task retry ID…|--outcome O|--all

list      unfinished tasks first, then in the order in which they were completed
view      all about one task
watch     what happens to it, until it has ended (1 when it failed);
          without ID, to all tasks until Ctrl-C
report    its report, to stdout or to a file
explain   what it waits for, and for how long; how it ended
cancel    end it, whether it waits or runs
delete    remove it and what its analysis left; not while it runs
failed    tasks that ended without a report, and why; the newest first
retry     try failed ones again: as a new task when the analysis failed, else
          their report is made again; --all leaves out cancelled ones

  --status S        pending, running, completed, reported, recovered,
                    failed_analysis, failed_processing, failed_reporting
  --owner NAME      as given when it was submitted
  --limit N, --offset N   which part of the list (default: the first 100)
  --outcome O       ended so: vm_start_failed, agent_unreachable, worker_lost,
                    guest_lost, processing_failed … (docs/howto/operate.md)
  --since TIME      ended later, such as "2026-12-24 18:00:00"
  --format F        json (the default), html, pdf, maec, maec5, metadata;
                    as archives all, dropped, package_files
  -o, --output FILE   write the report there; a terminal is only given text
  --json            what the REST API says, as one JSON document on stdout
                    (watch: one a line), nothing else there
${CONNECTION_HELP}

${EXIT_HELP}`,
  },
  machine: {
    summary: 'list, show, test, disable, drain, add, prepare, remove … machines',
    load: () => import('./commands/machine.js'),
    help: `usage: malkoha machine list
       malkoha machine show NAME
       malkoha machine disable NAME…
       malkoha machine enable NAME…
       malkoha machine test NAME [--timeout N]
       malkoha machine drain NAME… [--timeout N]
       malkoha machine drain --worker NAME [--timeout N]
       malkoha machine add NAME [--machinery M] [KEY=VALUE…]
       malkoha machine remove NAME [--machinery M]
       malkoha machine prepare NAME

list      what each machine does, and why it does not work
show      all about one machine: its last error, what waits for it
disable   take no more tasks; what it runs goes on. Stays over restarts
enable    take tasks again
test      restore, start and stop it, as soon as no task has it; 1 if it fails.
          A quarantined one that passes is back, one that fails is quarantined
drain     disable machines and wait until they are idle; or let a worker end
          after what it runs, and wait for that
add       add a machine of your own to conf/M.conf, which keeps its comments;
          KEYs are those of its section there: label, ip, snapshot, tags …
remove    take one out of it
prepare   make the template that a machine of qemu.conf starts from: go to its
          snapshot, or boot it once and wait for its agent. Needs no daemon;
          again when its image has changed (docs/howto/qemu-machines.md)

  --machinery M     qemu, kvm, virtualbox or fake (default: [cuckoo] machinery
                    in cuckoo.conf; to remove, the one that has it)
  --timeout N       seconds to wait (default: test 300, drain 600); what was
                    asked for goes on all the same
  --json            what the REST API says, as one JSON document on stdout,
                    nothing else there
${CONNECTION_HELP}

${EXIT_HELP}`,
  },
  node: {
    summary: 'add, list, check, disable, remove … nodes of the Distributed API',
    load: () => import('./commands/node.js'),
    help: NODE_HELP,
  },
  status: {
    summary: 'tell whether a daemon is up, and how busy it is',
    load: () => import('./commands/status.js'),
    help: `usage: malkoha status [options]

Tells what waits in which lane and for how long, what runs, which machines do
not work and why, and which workers take no tasks.

  --json            what the REST API says, as one JSON document on stdout,
                    nothing else there
${CONNECTION_HELP}

${EXIT_HELP}`,
  },
  config: {
    summary: 'check the .conf files; take over those of Cuckoo or CAPE',
    load: () => import('./commands/config.js'),
    help: `usage: malkoha config check [PATH]
       malkoha config import PATH [--force]

check     read every .conf file of the home folder, or of PATH, and tell what
          is wrong and what has no effect, with file and line; 1 when
          something is wrong
import    copy the files of Cuckoo (0.4 to 2.0.7) or CAPE at PATH into the home
          folder, comments and all; keys of old versions go where they are now

  --force           replace files that are there; a copy is kept as FILE.bak
  --json            check: {"ok", "problems", "notes", …} on stdout, nothing
                    else there
${HOME_HELP}

${EXIT_HELP}`,
  },
  init: {
    summary: 'write the commented .conf files into the home folder',
    load: () => import('./commands/init.js'),
    help: `usage: malkoha init [--conf FILE]

Writes the .conf files that are not in the home folder yet, with every key, its
default and what it accepts, all commented out. Others are left as they are.

  --conf FILE       also set the keys in FILE, lines of
                    file.section.key = value (kvm.win1.ip = 10.0.0.2)
${HOME_HELP}

${EXIT_HELP}`,
  },
  doctor: {
    summary: 'tell what is wrong with this host or its machines, and the fix',
    load: () => import('./commands/doctor.js'),
    help: `usage: malkoha doctor [options]

Looks at the host, the configuration, the programs it needs, rights, addresses
and ports, database and Redis, the default guest, and at every machine hop by
hop: known to its hypervisor, restored, on the network, its agent answers,
reaches the result server, stops. Says of each what was found, and of what is
wrong the command or the line that mends it.

Machines are restored from their snapshot, started and powered off, as for an
analysis: what runs in one is lost. Those that a daemon has are left to it.

  --machine NAME    of the machines, look at this one only
  --no-machines     look at none: nothing is started
  --machinery M,…   what runs the machines
                    (default: [cuckoo] machinery in cuckoo.conf, qemu)
  --json            {"healthy": …, "findings": [{"check", "status", "found",
                    "fix", "machine"}]} on stdout, nothing else there; status
                    is ok, warn, fail or skipped
${HOME_HELP}

Exit code: 0 nothing failed, 1 something did, 2 wrong usage, 130 interrupted.`,
  },
  guest: {
    summary: 'build the default guest ahead of time',
    load: () => import('./commands/guest.js'),
    help: `usage: malkoha guest build [--home DIR]

Builds the default Linux guest and its template now instead of at the first
analysis. Does nothing when they are there.

${HOME_HELP}`,
  },
  process: {
    summary: 'examine the stored artefacts of a task again',
    load: () => import('./commands/process.js'),
    help: `usage: malkoha process ID [--home DIR]

Makes the report of task ID again from its stored artefacts. Needs no machine;
the same artefacts give the same report.

${HOME_HELP}`,
  },
  test: {
    summary: 'run the tests (and install what they need)',
    load: () => import('./commands/test.js'),
    help: `usage: malkoha test [check|unit|contract|e2e|all] [jest options]

Runs the checks (types, lint, format) and the tests; \`all\` is the default. e2e
boots real QEMU guests.
The last line counts: N passed, N failed.`,
  },
  bench: {
    summary: 'run a benchmark; prints one JSON line',
    load: () => import('./commands/bench.js'),
    help: `usage: malkoha bench NAME [options of the benchmark]

Runs bench/NAME, which prints one JSON line. Without a name, lists them.
docs/benchmarks.md holds our own numbers.`,
  },
};
