import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';

export type Order =
  | {
      readonly do: 'listen';
      readonly protocol: 'tcp' | 'udp';
      readonly ip: string;
      readonly port: number;
      readonly answer: string;
      readonly uid: number;
    }
  | { readonly do: 'ask'; readonly protocol: 'tcp' | 'udp'; readonly ip: string; readonly port: number }
  | { readonly do: 'give up' };

export interface Answer {
  readonly id: number;
  readonly said: string;
}

const asked = new Set<() => void>();

process.on('message', (order: Order & { readonly id: number }) => {
  const answer = (said: string): void => void process.send?.({ id: order.id, said } satisfies Answer);
  if (order.do === 'give up') {
    for (const stop of asked) stop();
    answer('done');
  } else if (order.do === 'listen') listen(order, answer);
  else if (order.protocol === 'tcp') askTcp(order, answer);
  else askUdp(order, answer);
});
process.on('disconnect', () => process.exit());

function listen(order: Extract<Order, { do: 'listen' }>, answer: (said: string) => void): void {
  const { ip, port, uid } = order;
  const failed = (error: NodeJS.ErrnoException): void => answer(error.code ?? error.message);
  // A socket belongs to whom the process was when it made it.
  process.seteuid?.(uid);
  if (order.protocol === 'tcp') {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.end(`${order.answer} from ${socket.remoteAddress ?? ''}`);
    });
    server.once('error', failed).listen(port, ip, () => answer('listening'));
  } else {
    const socket = createSocket('udp4');
    socket.on('message', (_, from) =>
      socket.send(`${order.answer} from ${from.address}`, from.port, from.address),
    );
    socket.once('error', failed).bind(port, ip, () => answer('listening'));
  }
  process.seteuid?.(0);
}

function askTcp({ ip, port }: { ip: string; port: number }, answer: (said: string) => void): void {
  const socket = connect(port, ip);
  let text = '';
  const stop = (): void => void socket.destroy(new Error('given up'));
  asked.add(stop);
  socket.on('data', (bytes) => (text += bytes.toString()));
  socket.on('error', (error: NodeJS.ErrnoException) => (text = error.code ?? error.message));
  socket.on('close', () => {
    asked.delete(stop);
    answer(text);
  });
}

function askUdp({ ip, port }: { ip: string; port: number }, answer: (said: string) => void): void {
  const socket = createSocket('udp4');
  const end = (text: string): void => {
    if (!asked.delete(stop)) return;
    socket.close();
    answer(text);
  };
  const stop = (): void => end('given up');
  asked.add(stop);
  socket.on('message', (bytes) => end(bytes.toString()));
  socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  socket.send('?', port, ip);
}
