import { pipeline } from 'node:stream/promises';
import tar from 'tar-stream';
import { bytesOf, type Member } from './members.js';

/** A tar file of the members, made as it is read. Modes are ours: nothing in it is to be run. */
export async function* tarOf(members: AsyncIterable<Member>): AsyncGenerator<Buffer> {
  const pack = tar.pack();
  const filled = fill(pack, members).catch((error: unknown) => {
    pack.destroy(error as Error); // whoever reads it gets the error
  });
  try {
    yield* pack as AsyncIterable<Buffer>;
  } finally {
    pack.destroy();
    await filled;
  }
}

async function fill(pack: tar.Pack, members: AsyncIterable<Member>): Promise<void> {
  for await (const member of members) {
    const { name, modified: mtime } = member;
    if (member.kind === 'folder') {
      pack.entry({ name: `${name}/`, mtime, type: 'directory', mode: 0o755 });
      continue;
    }
    const entry = pack.entry({ name, mtime, type: 'file', mode: 0o644, size: member.size });
    await pipeline(bytesOf(member), entry);
  }
  pack.finalize();
}
