import type { ChildProcess } from 'node:child_process';
import type { Namespace } from './namespace.js';
import type { Answer, Order } from './probe.process.js';

/** Listens and connects inside a namespace. */
export class Probe {
  #next = 1;
  readonly #waiting = new Map<number, (answer: Answer) => void>();

  private constructor(private readonly child: ChildProcess) {
    child.on('message', (answer: Answer) => {
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
  }

  /** Ends with its namespace. */
  static in(namespace: Namespace): Probe {
    return new Probe(namespace.fork(new URL('./probe.process.ts', import.meta.url), []));
  }

  /** Answers every connection or datagram with `answer` and the address it came from: `answer from 192.0.2.1`. */
  async listen(protocol: 'tcp' | 'udp', ip: string, port: number, answer: string, uid = 0): Promise<void> {
    const said = await this.#order({ do: 'listen', protocol, ip, port, answer, uid });
    if (said !== 'listening') throw new Error(`${ip}:${port}/${protocol}: ${said}`);
  }

  /** What the other side answered; or the error's code. Lasts until there is something. */
  async ask(protocol: 'tcp' | 'udp', ip: string, port: number): Promise<string> {
    return this.#order({ do: 'ask', protocol, ip, port });
  }

  /** Gives up what is still asked: its answer is `given up`. */
  async giveUp(): Promise<void> {
    await this.#order({ do: 'give up' });
  }

  async #order(order: Order): Promise<string> {
    const id = this.#next++;
    const answered = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve));
    this.child.send({ id, ...order });
    return (await answered).said;
  }
}
