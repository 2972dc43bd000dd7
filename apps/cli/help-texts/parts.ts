/** What several help texts end with. */
export const HOME_HELP = `  --home DIR        home folder: configuration, storage, guests
                    (default: $MALKOHA_HOME, else ~/.malkoha)`;

export const CONNECTION_HELP = `${HOME_HELP}
  --host H, --port P   ask the daemon at this address, not the one that runs on
                    the home folder, or at the address in its cuckoo.conf
  --token T         API token (default: $MALKOHA_TOKEN, else api_token in that
                    cuckoo.conf unless --host is given)`;

export const PLACES_HELP = `  --queue URL       Redis of the lab: redis://… or unix:///… (default: [queue]
                    connection in cuckoo.conf, else that of the home folder)
  --database URL    database of the lab: postgresql://… or sqlite:///… (default:
                    [database] connection in cuckoo.conf, else a file there)`;

export const EXIT_HELP = `Exit code: 0 done, 1 it failed (the reason is on stderr), 2 wrong usage,
130 interrupted.`;
