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

const HOME_HELP = `  --home DIR        home folder (default: $MALKOHA_HOME, else ~/.malkoha): configuration, storage, guests`;

/** Every command, in the order `help` shows them. Adding one = a file in commands/ and a row here. */
export const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  analyze: {
    summary: 'run files or URLs in a fresh machine and show what they did',
    load: () => import('./commands/analyze.js'),
    help: `usage: malkoha analyze [options] FILE|URL|DIR…

Runs each file (every file of a folder) or URL in a clean virtual machine and prints what it did. Uses the daemon of
this home folder if one runs; otherwise starts everything it needs, and stops it at the end.

  --timeout N       seconds the sample may run (default: [timeouts] default in cuckoo.conf, 120)
  --package P       how to run it: generic, sh, python, perl, js, url (default: chosen by file type)
  --options K=V,…   for the guest: arguments=…, user=NAME, free=yes, route=inetsim|drop
  --machine M       run on this machine only
  --platform P      run on a machine of this platform (linux, windows)
  --tags A,B        run on a machine that has all of these tags
  --json            one JSON document on stdout (an array for several targets), nothing else there
${HOME_HELP}
  --host H, --port P  use the daemon at this address instead
  --token T         its API token (default: $MALKOHA_TOKEN)

Exit code: 0 reported, 1 an analysis failed (the reason is on stderr), 2 wrong usage, 130 interrupted.`,
  },
  up: {
    summary: 'run the whole lab in the foreground: API, machines, queue',
    load: () => import('./commands/up.js'),
    help: `usage: malkoha up [options]

Runs the REST API, the machines and a private Redis on this host until Ctrl-C. Ctrl-C stops taking work, hands back what
cannot finish (it stays pending) and exits; a second Ctrl-C ends everything at once.

  --machines N      how many default guests (default: as many as memory and cores allow, at most 4)
  --host H          address of the REST API (default 127.0.0.1; another address needs a token in cuckoo.conf)
  --port P          port of the REST API (default 8090)
${HOME_HELP}`,
  },
  guest: {
    summary: 'build the default guest ahead of time',
    load: () => import('./commands/guest.js'),
    help: `usage: malkoha guest build [--home DIR]

Builds the default Linux guest and its template now instead of at the first analysis. Does nothing when they are there.

${HOME_HELP}`,
  },
  process: {
    summary: 'examine the stored artefacts of a task again',
    load: () => import('./commands/process.js'),
    help: `usage: malkoha process ID [--home DIR]

Makes the report of task ID again from its stored artefacts. Needs no machine; the same artefacts give the same report.

${HOME_HELP}`,
  },
  test: {
    summary: 'run the tests (and install what they need)',
    load: () => import('./commands/test.js'),
    help: `usage: malkoha test [check|unit|contract|e2e|all] [jest options]

Runs the checks (types, lint, format) and the tests; \`all\` is the default. e2e boots real QEMU guests.
The last line counts: N passed, N failed.`,
  },
  bench: {
    summary: 'run a benchmark; prints one JSON line',
    load: () => import('./commands/bench.js'),
    help: `usage: malkoha bench NAME [options of the benchmark]

Runs bench/NAME, which prints one JSON line. Without a name, lists them. docs/benchmarks.md holds our own numbers.`,
  },
};
