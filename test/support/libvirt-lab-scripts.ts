/**
 * PID 1 of a libvirt lab's namespaces, a bash script: the bridge, libvirtd, and whatever they leave to be reaped. libvirt
 * polls the pids of machines it ends, and one that nobody reaps counts as alive.
 *
 * Arguments: the lab's folder, the folder of libvirt's capability cache, the relay's program and its arguments.
 */
export const LAB_SCRIPT = `
set -e
lab=$1 cache=$2
shift 2
ip link set lo up
ip link add br0 type bridge
ip addr add 10.77.0.1/24 dev br0
ip link set br0 up
for folder in etc run lib log; do
  mkdir -p "$lab/$folder"
done
mkdir -p /etc/libvirt /run/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt "$cache"
mount --bind "$lab/etc" /etc/libvirt
mount --bind "$lab/run" /run/libvirt
mount --bind "$lab/lib" /var/lib/libvirt
mount --bind "$lab/log" /var/log/libvirt
mount --bind "$cache" /var/cache/libvirt
cat >/etc/libvirt/libvirtd.conf <<'CONF'
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_dir = "/run/libvirt"
max_client_requests = 64
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
CONF
# No virtlogd, no cgroups, no security driver: nothing of the host is touched or asked.
[ -e /etc/libvirt/qemu.conf ] || cat >/etc/libvirt/qemu.conf <<'CONF'
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
CONF
"$@" &
# As a service manager would: a libvirtd that was killed is started again. The file hold keeps it down.
while :; do
  if [ -e "$lab/hold" ]; then
    sleep 0.05
    continue
  fi
  libvirtd -f /etc/libvirt/libvirtd.conf -p /run/libvirt/libvirtd.pid &
  wait $! || true
done
`;

/**
 * Runs in the lab's network, reached over a unix socket: sockets in the file system are in no network. Each connection
 * says `IP PORT` and a line feed, and is then that TCP connection. Argument: the socket's path.
 */
export const RELAY_SCRIPT = `
const { connect, createServer } = require('node:net');
createServer((client) => {
  client.once('data', (head) => {
    client.pause();
    const end = head.indexOf(10);
    const [host, port] = head.toString('latin1', 0, end).split(' ');
    const target = connect({ host, port: Number(port), noDelay: true });
    target.write(head.subarray(end + 1));
    for (const [from, to] of [[client, target], [target, client]]) {
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
    }
  });
  client.on('error', () => client.destroy());
}).listen(process.argv[1]);
`;
