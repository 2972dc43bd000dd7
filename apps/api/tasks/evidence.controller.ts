import { Controller, Get, Param, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { ARTIFACTS } from '#domain/artifacts.js';
import { SandboxError } from '#domain/errors.js';
import { listFolder, openIn } from '#storage/open-below.js';
import { Needs } from '../../http/access/needs.js';
import { Context } from '../context.js';
import { openArtifact } from '../downloads/artifact.js';
import { filesIn } from '../downloads/members.js';
import { BINARY, sendFile } from '../../http/send.js';
import { Describe } from '../openapi/operation.js';
import { readId } from '../../http/paths.js';
import { problem } from '../../http/problem.js';
import { getFullMemory, getMemory, getPcap, listMemory } from './evidence.docs.js';

const noDump = () => problem(404, 'Memory dump not found');
/** What Cuckoo takes off the names of dumps, and clients put on the files they save. */
const DUMP = '.dmp';

/** What the machine and its processes left. */
@Controller()
export class EvidenceController {
  constructor(private readonly by: Context) {}

  @Get('pcap/get/:id')
  @Needs('download')
  @Describe(getPcap)
  async pcap(@Res() reply: FastifyReply, @Param('id') id: string): Promise<void> {
    const file = await openArtifact(this.by, reply, readId(id), ARTIFACTS.pcap).catch((cause: unknown) => {
      if (cause instanceof SandboxError) throw cause;
      throw problem(500, 'An error occurred while reading PCAP', cause);
    });
    await sendFile(reply, file, { type: BINARY, name: 'dump.pcap' }, problem(404, 'File not found'));
  }

  /** Where Cuckoo's web interface has the memory of the whole machine. */
  @Get('full_memory/:id')
  @Needs('download')
  @Describe(getFullMemory)
  async fullMemory(@Res() reply: FastifyReply, @Param('id') idText: string): Promise<void> {
    const id = readId(idText);
    const file = await openArtifact(this.by, reply, id, ARTIFACTS.memory);
    await sendFile(reply, file, { type: BINARY, name: `${id}-${ARTIFACTS.memory}` }, noDump());
  }

  @Get('memory/list/:id')
  @Needs('read')
  @Describe(listMemory)
  async memoryList(
    @Res({ passthrough: true }) reply: FastifyReply,
    @Param('id') id: string,
  ): Promise<{ dump_files: string[] }> {
    const dumps: string[] = [];
    await using folder = await openArtifact(this.by, reply, readId(id), ARTIFACTS.dumps);
    if (folder) for await (const { name } of filesIn(folder)) dumps.push(name);
    if (dumps.length === 0) throw noDump();
    return { dump_files: dumps.map((name) => (name.endsWith(DUMP) ? name.slice(0, -DUMP.length) : name)) };
  }

  @Get('memory/get/:id/:name')
  @Needs('download')
  @Describe(getMemory)
  async memory(
    @Res() reply: FastifyReply,
    @Param('id') id: string,
    @Param('name') wanted: string,
  ): Promise<void> {
    await using folder = await openArtifact(this.by, reply, readId(id), ARTIFACTS.dumps);
    if (!folder) throw noDump();
    // Matched against the folder, never joined.
    const names = await listFolder(folder);
    const name = [`${wanted}${DUMP}`, wanted].find((one) => names.includes(one));
    if (name === undefined) throw noDump();
    await sendFile(reply, await openIn(folder, name), { type: BINARY, name }, noDump());
  }
}
