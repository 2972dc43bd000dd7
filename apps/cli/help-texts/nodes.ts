import { EXIT_HELP, HOME_HELP } from './parts.js';

const CONTROLLER_HELP = `${HOME_HELP}
  --host H, --port P   ask the Distributed API at this address, not the one that
                    runs on the home folder, or at the address in its
                    distributed.conf (127.0.0.1, 9003)
  --token T         its token (default: $MALKOHA_TOKEN, else api_token in that
                    distributed.conf unless --host is given)`;

export const DISTRIBUTED_HELP = `usage: malkoha distributed [options] [HOST] [PORT]

Takes files and URLs over the Distributed API, hands each to one of the nodes
that were added (\`malkoha help node\`), brings their reports here and deletes
the node's copy, until Ctrl-C. What it has accepted survives being stopped or
killed. Once it is ready, stdout has one line of JSON with its URL.

  HOST              address to listen on (default 127.0.0.1; another than
                    loopback needs a token in distributed.conf)
  PORT              port (default 9003; 0: any free one)
  --report-formats F,…   reports to fetch, such as json,html; what is not named
                    is lost with the node's copy
  --samples-directory DIR   keeps the files until their tasks have ended
  --reports-directory DIR   keeps the reports until their tasks are deleted
                    These three are needed, here or in distributed.conf.
  --db URL          sqlite:///… or postgresql://… (default: dist.db in the
                    folder distributed of the home folder)
  --uptime-logfile FILE   is given a line with the counters of each node
  --queue URL       Redis: redis://… or unix:///… (default: [queue] connection
                    in distributed.conf, else a private one)
  -d, --debug       log more
${HOME_HELP}

${EXIT_HELP}`;

export const NODE_HELP = `usage: malkoha node add NAME URL [--node-token T] [--mode M] [--dialect D]
       malkoha node list
       malkoha node show NAME
       malkoha node disable NAME…
       malkoha node enable NAME…
       malkoha node refresh NAME…
       malkoha node remove NAME [--force]
       malkoha node check NAME [--no-analysis] [--timeout N]

add       hand tasks to the node whose REST API is at URL. With the name of one
          that is there: give it another URL, token, mode or dialect
list      what each node does, and why it does not answer
show      all about one node, its machines too
disable   give it no more tasks; what it has is brought to its end
enable    give it tasks again
refresh   ask it for its machines again
remove    forget it; not while it has tasks, or tasks wait that name it. What it
          ran before stays
check     follow the way of a task to it and back, step by step, with a harmless
          one: what was found, and of what is wrong the fix; 1 when something is

  --node-token T    the API token of the node (default: $MALKOHA_NODE_TOKEN);
                    '' takes away the one it was given
  --mode M          normal (the default); with any other word it is kept for
                    tasks that name it, and given no others
  --dialect D       whose REST API it speaks: malkoha, cuckoo or cape
                    (default: found out)
  --force           give up what it has: those tasks go to other nodes, but
                    those that name it fail
  --no-analysis     check without running a task
  --timeout N       seconds that the task of the check may take
  --json            what the API says, as one JSON document on stdout, nothing
                    else there
${CONTROLLER_HELP}

${EXIT_HELP}`;
