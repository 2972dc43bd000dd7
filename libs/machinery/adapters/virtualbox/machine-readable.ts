/**
 * Output of `--machinereadable`: `key="value"` or `key=value` lines, `\` and `"` escaped. Some lines are odd:
 * `VRDEClients==0`, ` rec_screen0`, `VideoMode="720,400,0"@0,0 1`, keys in quotes. The first of equal keys counts.
 *
 * @see https://github.com/VirtualBox/virtualbox VBoxManageInfo.cpp, outputMachineReadableString()
 */
export function parseMachineReadable(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  const lines = text.split(/\r?\n/);
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? '';
    const equals = line.indexOf('=');
    if (equals < 1) continue;
    const key = line.slice(0, equals).replace(/^"(.*)"$/, '$1');
    const raw = [line.slice(equals + 1)];
    // The only values with line ends in them: their lines must not pass for keys.
    if (/^(description|SnapshotDescription)/.test(key) && raw[0]?.startsWith('"')) {
      let last = raw[0].slice(1);
      for (; !endsQuoted(last) && at + 1 < lines.length; raw.push(last)) last = lines[++at] ?? '';
    }
    if (!values.has(key)) values.set(key, unquoted(raw.join('\n')));
  }
  return values;
}

/** With a quote that is not escaped. */
function endsQuoted(line: string): boolean {
  return /(?:^|[^\\])(?:\\\\)*"$/.test(line);
}

function unquoted(raw: string): string {
  if (!raw.startsWith('"')) return raw;
  return raw.slice(1, Math.max(1, raw.lastIndexOf('"'))).replaceAll(/\\(["\\])/g, '$1');
}

export interface Snapshot {
  readonly name: string;
  readonly uuid: string;
}

/** All snapshots of a machine, from the eldest on, and the current one. */
export function parseSnapshots(values: ReadonlyMap<string, string>): {
  readonly all: readonly Snapshot[];
  readonly current: Snapshot | null;
} {
  const all = [...values].flatMap(([key, name]) => {
    const [, node] = /^SnapshotName((?:-\d+)*)$/.exec(key) ?? [];
    return node === undefined ? [] : [{ name, uuid: values.get(`SnapshotUUID${node}`) ?? '' }];
  });
  const uuid = values.get('CurrentSnapshotUUID');
  return { all, current: all.find((snapshot) => snapshot.uuid === uuid) ?? null };
}

export interface Listed {
  readonly name: string;
  readonly uuid: string;
}

/** VirtualBox's name for a machine whose settings it cannot read. */
export const INACCESSIBLE = '<inaccessible>';

/** `list vms`, `list runningvms`: lines of `"name" {uuid}`. A name may have quotes in it. */
export function parseList(text: string): readonly Listed[] {
  return [...text.matchAll(/^"(.*)" \{([0-9a-f-]{36})\}\r?$/gim)].map(([, name = '', uuid = '']) => ({
    name,
    uuid: uuid.toLowerCase(),
  }));
}
