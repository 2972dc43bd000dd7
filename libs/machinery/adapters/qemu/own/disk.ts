import type { DiskFile } from './image.js';

/**
 * What a template keeps of a disk, over the operator's image, which is only ever read:
 * - `disk`: a qcow2 over the image, with what the guest wrote until it was saved
 * - `bytes`: a qcow2 under the image: it stands over the image's file as a sequence of bytes, and the image is read
 *   through it. So a snapshot inside the image can be gone to, which changes the image's own tables
 */
export type LayerKind = 'disk' | 'bytes';

export interface DiskGraph {
  readonly chain: readonly DiskFile[];
  readonly kind: LayerKind;
  /** The guest writes to the template's layer itself, or to a file over it that is thrown away. */
  readonly writes: 'template' | 'overlay';
}

/** Names of QEMU's nodes. */
const TEMPLATE = 'template';
const OVERLAY = 'overlay';

/** Which files QEMU is given, in the order of `fds` below. */
export interface DiskDescriptors {
  readonly chain: readonly number[];
  readonly template: number;
  readonly overlay: number | null;
}

type Node = Readonly<Record<string, unknown>>;

/**
 * Every layer as a node of its own, each file a descriptor: no name in an image's header is followed, so an
 * unprivileged QEMU needs no right to any folder and can write to nothing but its own layer.
 */
export function diskArgs(graph: DiskGraph, fds: DiskDescriptors): readonly string[] {
  const { chain, kind, writes } = graph;
  const all = [...fds.chain, fds.template, ...(fds.overlay === null ? [] : [fds.overlay])];
  const file = (name: string, fd: number, readOnly: boolean): Node => ({
    ...{ driver: 'file', 'node-name': `${name}-file`, filename: `/dev/fdset/${fd}` },
    ...{ 'read-only': readOnly, locking: 'off' },
  });
  const base = (at: number): Node => ({
    ...{ driver: chain[at]?.format, 'node-name': `base${at}`, file: `base${at}-file`, 'read-only': true },
    ...backing(chain, at),
  });
  const isKept = writes === 'overlay';
  const layer = kind === 'disk' ? diskLayer : bytesLayer;
  const { below, top } = layer(chain, isKept);
  const nodes: readonly Node[] = [
    ...chain.map((_, at) => file(`base${at}`, fds.chain[at] ?? -1, true)),
    ...chain
      .map((_, at) => base(at))
      .slice(kind === 'bytes' ? 1 : 0)
      .reverse(),
    file(TEMPLATE, fds.template, isKept),
    ...below,
    ...(isKept ? [{ ...top, 'node-name': TEMPLATE, 'read-only': true }] : []),
    ...(fds.overlay === null ? [] : [file(OVERLAY, fds.overlay, false)]),
  ];
  return [
    ...all.flatMap((fd) => ['-add-fd', `fd=${fd},set=${fd}`]),
    ...nodes.flatMap((node) => ['-blockdev', JSON.stringify(node)]),
  ];
}

/** The value of `-drive file=` for the disk that the guest sees: what diskArgs() left for it to open. */
export function driveFile(graph: DiskGraph): string {
  const top =
    graph.writes === 'overlay'
      ? { driver: 'qcow2', file: `${OVERLAY}-file`, backing: TEMPLATE }
      : (graph.kind === 'disk' ? diskLayer : bytesLayer)(graph.chain, false).top;
  return `json:${JSON.stringify(top)}`.replaceAll(',', ',,');
}

function backing(chain: readonly DiskFile[], at: number): Node {
  if (chain[at]?.format !== 'qcow2') return {};
  return { backing: at + 1 < chain.length ? `base${at + 1}` : null };
}

interface Layer {
  readonly below: readonly Node[];
  /** The node that is the guest's disk. */
  readonly top: Node;
}

function diskLayer(): Layer {
  return { below: [], top: { driver: 'qcow2', file: `${TEMPLATE}-file`, backing: 'base0' } };
}

function bytesLayer(chain: readonly DiskFile[], isKept: boolean): Layer {
  const raw = { driver: 'raw', 'node-name': 'bytes0', file: 'base0-file', 'read-only': true };
  const written = {
    ...{ driver: 'qcow2', 'node-name': 'bytes', file: `${TEMPLATE}-file`, backing: 'bytes0' },
    'read-only': isKept,
  };
  return { below: [raw, written], top: { driver: 'qcow2', file: 'bytes', ...backing(chain, 0) } };
}
