import type { Requirements } from './machine.js';

/** A canonical name for "needs the same of a machine": tasks of one lane are served in one order. */
export type Lane = string;

/** Tasks that any machine may run. */
export const OPEN_LANE: Lane = 'any';

/** `machine=<name>`, or `platform=<p>;arch=<a>;tags=<t>,<t>` with what is asked for, or `any`. Values are URI-encoded. */
export function laneOf({ machine, platform, arch, tags }: Requirements): Lane {
  if (machine !== null) return `machine=${encode(machine)}`;
  const parts = [
    ...(platform === null ? [] : [`platform=${encode(platform)}`]),
    ...(arch === null ? [] : [`arch=${encode(arch)}`]),
    ...(tags.length === 0 ? [] : [`tags=${[...new Set(tags)].sort().map(encode).join(',')}`]),
  ];
  return parts.length === 0 ? OPEN_LANE : parts.join(';');
}

/** What the tasks of a lane need. */
export function wantsOf(lane: Lane): Requirements {
  const parts = new Map(
    lane.split(';').map((part): [string, string] => {
      const [name = '', value = ''] = part.split('=');
      return [name, value];
    }),
  );
  const value = (name: string) => {
    const text = parts.get(name);
    return text === undefined ? null : decodeURIComponent(text);
  };
  const tags = parts.get('tags')?.split(',').map(decodeURIComponent) ?? [];
  return { machine: value('machine'), platform: value('platform'), arch: value('arch'), tags };
}

/** By way of UTF-8: a lone surrogate has no encoding, and no machine such a name. */
export function encode(text: string): string {
  return encodeURIComponent(Buffer.from(text).toString());
}
