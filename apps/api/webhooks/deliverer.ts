import { deadline } from '#domain/deadline.js';
import { reason } from '#domain/errors.js';
import type { Deliveries, Settlement } from '#storage/deliveries.js';
import type { DeliveryRow } from '#storage/entities/delivery.entity.js';
import type { WebhookRow } from '#storage/entities/webhook.entity.js';
import type { TaskDetails } from '#storage/task-details.js';
import type { Webhooks } from '#storage/webhooks.js';
import type { Log } from '../../log.js';
import { messageId, messageOf } from './message.js';
import { post, refusalOf } from './post.js';
import { MAX_ATTEMPTS, retryDelay } from './schedule.js';
import { sign } from './signature.js';

/** Milliseconds a receiver has to answer. */
const ATTEMPT_MS = 15_000;
/** Milliseconds after which another process sends what this one did not end: it was killed. */
const LEASE_MS = 30_000;
/** Milliseconds between looks when nothing is told and nothing is due. */
const LOOK_MS = 10_000;
const SWEEP_MS = 3_600_000;

/** HTTP status of a receiver that wants no more. */
const GONE = 410;

interface Attempt {
  /** Null: there was no answer. */
  readonly status: number | null;
  /** Null: it was taken. */
  readonly error: string | null;
}

export interface DelivererParts {
  readonly webhooks: Webhooks;
  readonly deliveries: Deliveries;
  readonly tasks: { find(id: number): Promise<TaskDetails | null> };
  /** Folder that `target` of a task is below. */
  readonly targets: string;
  readonly allowPrivate: boolean;
  readonly log: Log;
}

/**
 * Sends what SQL says is to be sent, to each webhook in turn and to all of them side by side. Several processes may do so
 * at once: each message is leased. A message may arrive twice, with the same id; none is lost.
 */
export class Deliverer implements AsyncDisposable {
  readonly #ended = new AbortController();
  readonly #serving = new Map<number, Promise<void>>();
  readonly #running: Promise<void>;
  #wake = (): void => {};
  /** Something was told that no look has seen yet. */
  #told = false;
  #swept = 0;

  constructor(private readonly by: DelivererParts) {
    this.#running = this.#run();
  }

  /** A task has ended: there may be something to send. */
  wake(): void {
    this.#told = true;
    this.#wake();
  }

  /** Ends what is being sent; it is sent again by whoever looks next. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort(new Error('this process ends'));
    this.#wake();
    await this.#running;
    await Promise.all(this.#serving.values());
  }

  async #run(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      this.#told = false;
      let pause = LOOK_MS;
      try {
        pause = await this.#look();
      } catch (error) {
        this.by.log('warn', `webhooks: ${reason(error)}`);
      }
      await this.#rest(pause);
    }
  }

  /** Begins to serve each webhook that is due and returns the milliseconds until the next one is. */
  async #look(): Promise<number> {
    const now = Date.now();
    if (now - this.#swept > SWEEP_MS) {
      this.#swept = now;
      await this.by.deliveries.sweep();
    }
    let pause = LOOK_MS;
    for (const [id, dueOn] of await this.by.deliveries.due()) {
      if (this.#serving.has(id)) continue;
      if (dueOn.getTime() > now) pause = Math.min(pause, dueOn.getTime() - now);
      else this.#serving.set(id, this.#serve(id));
    }
    return pause;
  }

  async #serve(id: number): Promise<void> {
    try {
      while (!this.#ended.signal.aborted) {
        const webhook = await this.by.webhooks.find(id);
        if (webhook === null) break;
        if (webhook.disabledOn !== null) {
          await this.by.deliveries.abandon(id, 'the webhook is disabled: its receiver answered 410 Gone');
          break;
        }
        const delivery = await this.by.deliveries.claim(id, LEASE_MS);
        if (delivery === null) break;
        await this.#deliver(webhook, delivery);
      }
      this.#serving.delete(id);
      this.wake(); // more may have come after the last look
    } catch (error) {
      this.#serving.delete(id);
      this.by.log('warn', `webhook ${id}: ${reason(error)}`);
    }
  }

  async #deliver(webhook: WebhookRow, delivery: DeliveryRow): Promise<void> {
    const last = await this.#attempt(webhook, delivery);
    if (last.status === GONE) await this.by.webhooks.disable(webhook.id);
    const end = this.#settlement(last, delivery.attempts);
    await this.by.deliveries.settle(delivery, end, last);
    if (end.state === 'failed') {
      this.by.log('warn', `webhook ${webhook.id}: ${last.error ?? ''}`, { task: delivery.taskId });
    }
  }

  #settlement({ status, error }: Attempt, attempts: number): Settlement {
    if (error === null) return { state: 'delivered' };
    // Whoever looks next begins again.
    if (status === null && this.#ended.signal.aborted) return { state: 'pending', dueOn: new Date() };
    if (status === GONE || attempts >= MAX_ATTEMPTS) return { state: 'failed' };
    return { state: 'pending', dueOn: new Date(Date.now() + retryDelay(attempts, Math.random())) };
  }

  async #attempt(webhook: WebhookRow, delivery: DeliveryRow): Promise<Attempt> {
    const found = await this.by.tasks.find(delivery.taskId);
    const body = JSON.stringify(messageOf(delivery, found, this.by.targets));
    const id = messageId(delivery);
    const timestamp = Math.floor(Date.now() / 1000);
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'Malkoha',
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': sign(webhook.secret, { id, timestamp, body }),
    };
    using limit = deadline(ATTEMPT_MS, this.#ended.signal);
    try {
      const { allowPrivate } = this.by;
      const status = await post({ url: webhook.url, headers, body, allowPrivate }, limit.signal);
      return { status, error: status >= 200 && status < 300 ? null : refusalOf(status) };
    } catch (error) {
      return { status: null, error: reason(error) };
    }
  }

  async #rest(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#told || this.#ended.signal.aborted) this.#wake();
    });
  }
}
