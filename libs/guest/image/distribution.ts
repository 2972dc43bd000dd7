/** The host's own distribution: the guest is made of the same packages, from the same mirrors. */
export interface Distribution {
  /** Code name, e.g. `bookworm`. */
  readonly suite: string;
  /** apt one-line sources. */
  readonly sources: readonly string[];
  /** Meta package that depends on the newest small kernel. */
  readonly kernel: string;
}

const KNOWN = {
  debian: {
    kernel: 'linux-image-cloud-amd64',
    components: ['main'],
    mirror: 'http://deb.debian.org/debian',
    security: 'http://deb.debian.org/debian-security',
    /** Paths of a mirror of the distribution itself; other repositories use the same suite names. */
    path: /\/debian(-security)?$/,
  },
  ubuntu: {
    kernel: 'linux-image-virtual',
    components: ['main', 'universe'],
    mirror: 'http://archive.ubuntu.com/ubuntu',
    security: 'http://security.ubuntu.com/ubuntu',
    path: /\/ubuntu$/,
  },
} as const;

/**
 * @param osRelease text of /etc/os-release
 * @param lists texts of /etc/apt/sources.list and of sources.list.d/*.list, *.sources
 * @returns null when the host is neither Debian nor Ubuntu (nor says so in ID_LIKE with a code name of theirs)
 */
export function distribution(osRelease: string, lists: readonly string[]): Distribution | null {
  const os = new Map(
    [...osRelease.matchAll(/^([A-Z_]+)="?([^"\n]*)"?$/gm)].map((match) => [match[1] ?? '', match[2] ?? '']),
  );
  const id = os.get('ID');
  const suite = os.get('VERSION_CODENAME');
  if ((id !== 'debian' && id !== 'ubuntu') || suite === undefined || suite === '') return null;
  const known = KNOWN[id];
  const wanted = [suite, `${suite}-updates`, `${suite}-security`];
  const found = lists
    .flatMap((text) => (/^\s*(Types|URIs):/im.test(text) ? deb822(text) : oneLine(text)))
    .filter(({ uri, suite }) => wanted.includes(suite) && known.path.test(uri.replace(/\/+$/, '')));
  const components = known.components.join(' ');
  const lines = found.map(({ uri, suite }) => `deb ${uri} ${suite} ${components}`);
  const fallback = [
    `deb ${known.mirror} ${suite} ${components}`,
    `deb ${known.mirror} ${suite}-updates ${components}`,
    `deb ${known.security} ${suite}-security ${components}`,
  ];
  const usable = found.some((source) => source.suite === suite);
  return { suite, kernel: known.kernel, sources: usable ? [...new Set(lines)] : fallback };
}

interface Source {
  readonly uri: string;
  readonly suite: string;
}

/** `deb [options] URI SUITE COMPONENT…`, one a line. */
function oneLine(text: string): Source[] {
  return [...text.matchAll(/^\s*deb\s+(?:\[[^\]]*\]\s+)?(https?:\/\/\S+)\s+(\S+)/gm)].map((match) => ({
    uri: match[1] ?? '',
    suite: match[2] ?? '',
  }));
}

/** Paragraphs of `Key: value`, as in apt's *.sources. */
function deb822(text: string): Source[] {
  return text.split(/\n\s*\n/).flatMap((paragraph) => {
    const field = (name: string) =>
      new RegExp(`^${name}:[ \\t]*(.*(?:\\n[ \\t].*)*)`, 'im')
        .exec(paragraph)?.[1]
        ?.split(/\s+/)
        .filter(Boolean) ?? [];
    if (!field('Types').includes('deb') || field('Enabled')[0]?.toLowerCase() === 'no') return [];
    const uris = field('URIs').filter((uri) => /^https?:\/\//.test(uri));
    return uris.flatMap((uri) => field('Suites').map((suite) => ({ uri, suite })));
  });
}
