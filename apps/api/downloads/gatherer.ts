import { availableParallelism } from 'node:os';
import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Context } from '../context.js';
import { unhurried } from '../../http/unhurried.js';
import { whenGone } from '../../http/when-gone.js';
import { gather } from './scratch.js';
import { sendDownload, type Label } from '../../http/send.js';
import { Slots } from './slots.js';

/** Sends what is made while it is asked for: archives. */
@Injectable()
export class Gatherer {
  /** Packing takes a core each: more at once would only make all of them late. */
  readonly #slots = new Slots(availableParallelism());

  constructor(private readonly by: Context) {}

  async send(reply: FastifyReply, bytes: AsyncIterable<Buffer>, label: Label): Promise<void> {
    const { scratch } = this.by.home;
    const gone = whenGone(reply);
    const download = await unhurried(reply, () => this.#slots.run(() => gather(scratch, bytes, gone), gone));
    await sendDownload(reply, download, label);
  }
}
