import { availableParallelism } from 'node:os';
import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Context } from '../context.js';
import { whenGone } from '../when-gone.js';
import { gather } from './scratch.js';
import { sendDownload, type Download, type Label } from './send.js';
import { Slots } from './slots.js';

/** Sends what is made while it is asked for: archives. */
@Injectable()
export class Gatherer {
  /** Packing takes a core each: more at once would only make all of them late. */
  readonly #slots = new Slots(availableParallelism());

  constructor(private readonly by: Context) {}

  async send(reply: FastifyReply, bytes: AsyncIterable<Buffer>, label: Label): Promise<void> {
    const { home, shutdown } = this.by;
    const signal = AbortSignal.any([whenGone(reply), shutdown]);
    // A client that waits for gigabytes to be packed says nothing meanwhile, and nothing is said to it.
    reply.raw.setTimeout(0);
    let download: Download;
    try {
      download = await this.#slots.run(() => gather(home.scratch, bytes, signal), signal);
    } finally {
      reply.raw.setTimeout(reply.server.server.timeout);
    }
    await sendDownload(reply, download, label);
  }
}
