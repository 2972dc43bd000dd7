// Runs in a libvirt lab's network, reached over a unix socket: sockets in the file system are in no network.
// argv: the socket's path. Each connection says `IP PORT\n` and is then that TCP connection.
import { connect, createServer } from 'node:net';

createServer((client) => {
  client.once('data', (head) => {
    client.pause();
    const end = head.indexOf('\n');
    const [host, port] = head.toString('latin1', 0, end).split(' ');
    const target = connect({ host, port: Number(port), noDelay: true });
    target.write(head.subarray(end + 1));
    for (const [from, to] of [
      [client, target],
      [target, client],
    ]) {
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
    }
  });
}).listen(process.argv[2]);
