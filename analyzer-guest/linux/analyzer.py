#!/usr/bin/env python3
"""The Linux analyzer: runs one sample, traces it, and streams what it did to the result server (see ../README.md).

Two ways in: `serve(channel)`, preloaded by our agent and told its task over a socket; or as a program in a folder
with an analysis.conf, as Cuckoo's host starts it through any agent. Standard library only, Python >= 3.6.

Everything here is one poll loop in one process at real-time priority. That is not for speed: on one processor it
means that this process has seen each line of the trace before the traced program runs on, so that it can take hold
of a file between the system call that would delete it being announced and being done.
"""

import errno
import fcntl
import hashlib
import json
import os
import pwd
import re
import resource
import select
import shlex
import signal
import socket
import stat
import struct
import sys
import termios
import time
import traceback

TRACING = "/sys/kernel/tracing/"
CGROUP = "/sys/fs/cgroup/user.slice/user-0.slice/session-2.scope"
FIFO = "/run/lock/.trace"
CONSOLE = "/dev/tty1"

CONNECT_LIMIT = 10.0  # seconds to reach the result server
SEND_LIMIT = 30.0  # seconds the result server may take nothing
KILL_LIMIT = 5.0  # seconds killed processes may take to be gone
DRAIN_LIMIT = 3.0  # seconds for the last bytes to be acknowledged
SETTLE = 60.0  # seconds in which a guest that is ready may still write files before it is frozen as a template
TICK = 0.2  # seconds between two deliveries of what the kernel and the tracer said
BATCH = 32768  # bytes of trace that are sent without waiting for the tick
OUTPUT_LIMIT = 1 << 20  # bytes each of the sample's stdout and stderr that are kept
CONSOLE_LIMIT = 1 << 16  # bytes of them shown on the screen
HELD_LIMIT = 2000  # files held open for their content
UPLOAD_LIMIT = 128 << 20  # bytes of one file, when analysis.conf does not say
PROCESS_LIMIT = 1500  # of the sample at once: a fork bomb must not starve the tracer

loaded_at = time.time()  # by the clock as it was before the host set it: what the guest came with is no younger

# What strace stops at; everything else runs untouched (--seccomp-bpf).
TRACED = ("%process,%network,open,openat,openat2,creat,unlink,unlinkat,rename,renameat,renameat2,mkdir,mkdirat,rmdir,"
          "symlink,symlinkat,link,linkat,chmod,fchmod,fchmodat,chown,fchown,lchown,fchownat,mount,umount2,truncate,"
          "chdir,fchdir,chroot,ptrace,kill,tgkill,prctl,memfd_create,setuid,setgid,setresuid,setsid,utimensat,"
          "init_module,finit_module,delete_module,io_uring_setup,bpf,dup2,dup3,process_vm_writev")
# No -y: paths of descriptors double the cost and the reader can tell them. Strings are escaped C style, so that no
# file name breaks a line. The tracer is the sample's child, not its parent (-D).
STRACE = ["strace", "-D", "-q", "-f", "-ttt", "-s", "1024", "--seccomp-bpf", "-e", "signal=!SIGCHLD", "-e",
          "trace=" + TRACED, "-o", FIFO]

# A file was opened for writing or made (its descriptor is the result), or an interrupted open has now returned.
OPENED = re.compile(rb'^(\d+) +[\d.]+ (?:(?:open|openat|openat2)\(.*(?:O_WRONLY|O_RDWR|O_CREAT|O_TMPFILE)|creat\(|'
                    rb'memfd_create\(|<\.\.\. (?:open|openat|openat2|creat|memfd_create) resumed>).* = (\d+)$', re.M)
# A name is about to go. strace flushes the line at the call's entry, so it is here before the kernel acts on it.
DOOMED = re.compile(rb'^(\d+) +[\d.]+ (?:unlink|unlinkat|rename|renameat|renameat2)\((?:(AT_FDCWD|\d+), )?'
                    rb'"((?:[^"\\]|\\.)*)"(?:, (?:(AT_FDCWD|\d+), )?"((?:[^"\\]|\\.)*)")?', re.M)
ESCAPE = re.compile(rb'\\([0-7]{1,3}|x[0-9a-fA-F]{2}|.)', re.S)
ESCAPED = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f", b'"': b'"', b"\\": b"\\"}
# The kernel's line about an open: pid, path, flags.
KERNEL_OPEN = re.compile(rb'-(\d+) +\[\d+\].* open: \(.*name="(.*)" flags=0x([0-9a-f]+)$', re.M)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT

MACHINES = {3: "32-bit x86", 8: "MIPS", 20: "PowerPC", 21: "PowerPC 64", 40: "ARM", 42: "SuperH", 43: "SPARC",
            183: "ARM 64", 243: "RISC-V"}


class AnalysisError(Exception):
    """The sample cannot be run, and why."""


# ---------------------------------------------------------------------------------------------- analysis.conf

def parse_config(text):
    """The [analysis] section as a dict of strings. Values are taken as they stand: a URL may hold %, ; and #."""
    values = {}
    for line in text.replace("\r\n", "\n").split("\n"):
        key, equals, value = line.partition("=")
        if equals and not line.startswith(("#", ";", "[")):
            values[key.strip().lower()] = value.strip()
    return values


def parse_options(text):
    pairs = (item.partition("=") for item in text.split(","))
    return {key.strip(): value.strip() for key, equals, value in pairs if equals and key.strip()}


def yes(text):
    return text.lower() in ("1", "yes", "true", "on")


TRACERS = ("strace", "kprobe", "both", "none")


def effective(config):
    """The options that mean something here, or meant something to the host."""
    names = {"free", "tracer", "user", "analpath", "apk_entry", "route"}
    more = {"url": set(), "archive": {"arguments", "filename"}}
    return names | more.get(config.get("category"), {"arguments"})


def choose_tracer(options):
    free = options.get("free", "no")
    if not yes(free) and free.lower() not in ("0", "no", "false", "off"):
        raise AnalysisError('the option free takes yes or no, not "%s"' % free)
    tracer = "none" if yes(free) else options.get("tracer", "both")
    if tracer not in TRACERS:
        raise AnalysisError('there is no tracer "%s"; choose one of %s' % (tracer, ", ".join(TRACERS)))
    return tracer


def find_user(name):
    try:
        return pwd.getpwnam(name)
    except KeyError:
        people = [entry.pw_name for entry in pwd.getpwall() if entry.pw_uid == 0 or 1000 <= entry.pw_uid < 60000]
        raise AnalysisError('there is no user "%s" in this guest; choose one of %s' % (name, ", ".join(people)))


def number(text, default):
    try:
        return float(text)
    except ValueError:
        return default


# ---------------------------------------------------------------------------------------------- results

def printable(path):
    """For a header line: control characters, % and what is not UTF-8 as %XX. A file name can hold a line feed."""
    out = []
    for char in os.fsencode(path).decode("utf-8", "surrogateescape"):
        if char < " " or char in "%\x7f" or "\udc80" <= char <= "\udcff":
            out.append("".join("%%%02X" % byte for byte in char.encode("utf-8", "surrogateescape")))
        else:
            out.append(char)
    return "".join(out).encode("utf-8", "replace")


class Stream:
    """One connection to the result server. Once it failed it swallows what it is given."""

    def __init__(self, address, header):
        self.sock = None
        self.pending = bytearray()
        try:
            self.sock = socket.create_connection(address, CONNECT_LIMIT)
            self.sock.settimeout(SEND_LIMIT)
            self.pending += header
        except OSError:
            self.fail()

    def fail(self):
        if self.sock is not None:
            self.sock.close()
        self.sock = None
        self.pending.clear()

    def write(self, data):
        """Kept back until there is enough, or until `flush`: a packet per line of trace would cost more than the trace."""
        if self.sock is not None:
            self.pending += data
            if len(self.pending) >= BATCH:
                self.flush()

    def flush(self):
        if self.sock is not None and self.pending:
            try:
                self.sock.sendall(self.pending)
                self.pending.clear()
            except OSError:
                self.fail()

    def end(self):
        """No more will come; what is on its way still is."""
        self.flush()
        if self.sock is not None:
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:
                self.fail()

    def close(self):
        """Returns when the other side has acknowledged everything: the guest is switched off soon after."""
        self.end()
        limit = time.monotonic() + DRAIN_LIMIT
        try:
            while self.sock is not None and time.monotonic() < limit and struct.unpack(
                    "i", fcntl.ioctl(self.sock, termios.TIOCOUTQ, b"\0" * 4))[0]:
                time.sleep(0.002)
        except OSError:
            pass  # the other side is gone
        self.fail()


def file_header(dump_path, guest_path="", pids=()):
    numbers = " ".join(str(pid) for pid in sorted(pids)).encode()
    return b"FILE 2\n" + dump_path.encode() + b"\n" + printable(guest_path) + b"\n" + numbers + b"\n"


class Log:
    """Cuckoo's line format, sent at once: what is here when the guest dies is what is left."""

    def __init__(self, address):
        self.stream = Stream(address, b"LOG\n")

    def line(self, level, text):
        now = time.time()
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
        clean = "".join(char if char.isprintable() else "\\x%02x" % ord(char) for char in text)
        line = "%s,%03d [analyzer] %s: %s\n" % (stamp, now % 1 * 1000, level, clean)
        self.stream.write(line.encode("utf-8", "backslashreplace"))
        self.stream.flush()

    def info(self, text, *values):
        self.line("INFO", text % values if values else text)

    def warning(self, text, *values):
        self.line("WARNING", text % values if values else text)

    def error(self, text, *values):
        self.line("ERROR", text % values if values else text)


# ---------------------------------------------------------------------------------------------- choosing how to run it

INTERPRETERS = {"sh": ["/bin/bash"], "python": ["/usr/bin/python3"], "perl": ["/usr/bin/perl"], "js": ["/usr/bin/node"]}
EXTENSIONS = {".sh": "sh", ".bash": "sh", ".py": "python", ".pl": "perl", ".js": "js", ".mjs": "js"}
SHEBANGS = (("python", "python"), ("perl", "perl"), ("node", "js"), ("sh", "sh"))


def choose_package(name, head):
    """The package for a file that begins with `head`."""
    if head.startswith(b"\x7fELF"):
        return "generic"
    if head.startswith(b"#!"):
        line = head.split(b"\n", 1)[0].decode("latin-1").strip()
        if os.path.exists(line[2:].split(None, 1)[0] if line[2:].strip() else ""):
            return "generic"
        return next((package for word, package in SHEBANGS if word in line), "generic")
    extension = os.path.splitext(name)[1].lower()
    if extension in EXTENSIONS:
        return EXTENSIONS[extension]
    # Text without any hint is mostly a shell script; execve would refuse it.
    return "generic" if b"\0" in head or not head else "sh"


def check_machine(head):
    if head.startswith(b"\x7fELF") and len(head) >= 20:
        machine = struct.unpack("<H" if head[5] == 1 else ">H", head[18:20])[0]
        if machine not in (3, 62):
            raise AnalysisError("the sample is a program for %s; this guest is x86-64"
                                % MACHINES.get(machine, "another processor (ELF machine %d)" % machine))


def packages():
    """Those that this guest can run files with."""
    return ["generic"] + sorted(name for name, argv in INTERPRETERS.items() if os.path.exists(argv[0]))


def command_for(config, options, sample):
    """Package and argv."""
    package = config.get("package", "")
    if package == "None":
        package = ""
    if config.get("category") == "url":
        if package not in ("", "url"):
            raise AnalysisError('package "%s" opens no URL in this guest; choose url, or none' % package)
        return "url", fetch(config.get("target", ""))
    if not sample or not os.path.isfile(sample):
        raise AnalysisError("the sample is not there: %s" % sample)
    with open(sample, "rb") as handle:
        head = handle.read(4096)
    if not head:
        raise AnalysisError("the sample is empty")
    if not package:
        package = choose_package(os.path.basename(sample), head)
    choice = "choose one of %s, or none to have it chosen by what the file is" % ", ".join(packages())
    if package != "generic" and package not in INTERPRETERS:
        raise AnalysisError('this guest runs no file with package "%s"; %s' % (package, choice))
    try:
        arguments = shlex.split(options.get("arguments", ""))
    except ValueError as error:
        raise AnalysisError("the option arguments cannot be split: %s" % error)
    if package == "generic":
        check_machine(head)
        return package, [sample] + arguments
    interpreter = INTERPRETERS[package]
    if not os.path.exists(interpreter[0]):
        raise AnalysisError("package %s needs %s, which this guest image does not have; %s"
                            % (package, interpreter[0], choice))
    return package, interpreter + [sample] + arguments


def fetch(url):
    """argv of what opens a URL: asked as a browser would ask, redirections followed, the answer kept as a file."""
    if "://" not in url:
        url = "http://" + url
    return ["/usr/bin/curl", "-sSL", "--max-time", "60", "--compressed", "-A",
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "-o", "/tmp/download", "--", url]


# curl's exit codes for what it did not even try: no such protocol, no URL.
NOT_TRIED = (1, 3)


def unpack_member(archive, options):
    """Category archive: unpacks the whole zip beside itself, for its files may need each other, and returns the path of
    the one that the option `filename` names. The host made the zip; still no name in it is followed elsewhere."""
    import zipfile
    member = options.get("filename", "")
    folder = os.path.splitext(archive or "")[0]
    try:
        with zipfile.ZipFile(archive or "") as content:
            if member not in content.namelist():
                raise AnalysisError("the archive has no file that is called like the option filename: %s" % member)
            content.extractall(folder)
        os.unlink(archive)
        path = os.path.realpath(os.path.join(folder, member))
        if not path.startswith(folder + os.sep):
            raise AnalysisError("the file is outside its archive: %s" % member)
        os.chmod(path, 0o755)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
        raise AnalysisError("the archive cannot be unpacked: %s" % error)
    return path


# ---------------------------------------------------------------------------------------------- files of the sample

def unescape(text):
    """The bytes behind a string as strace prints it."""
    def one(match):
        code = match.group(1)
        if code[:1] in b"01234567":
            return bytes([int(code, 8) & 255])
        if code[:1] == b"x":
            return bytes([int(code[1:], 16)])
        return ESCAPED.get(code, code)
    return ESCAPE.sub(one, text) if b"\\" in text else text


class Held:
    def __init__(self, fd):
        self.fd = fd
        self.pids = set()


class Keeper:
    """Holds what the sample writes open, so that the content is still there when the name is gone."""

    def __init__(self, log, since, sample):
        self.log, self.since, self.sample = log, since, sample
        self.began = time.monotonic()
        self.files = {}  # (device, inode) -> Held
        self.full = False
        self.rest = b""

    def feed(self, data):
        """Bytes of the strace stream, cut anywhere."""
        text = self.rest + data
        if b"O_" in text or b"creat" in text or b"resumed>" in text:
            for match in OPENED.finditer(text):
                pid = match.group(1).decode()
                self.hold("/proc/%s/fd/%s" % (pid, match.group(2).decode()), pid)
        if b"unlink" in text or b"rename" in text:
            for match in DOOMED.finditer(text):
                pid = match.group(1).decode()
                self.hold_named(pid, match.group(2), match.group(3))
                if match.group(5) is not None:
                    self.hold_named(pid, match.group(4), match.group(5))
        # A line is looked at again when it is whole; one without end is not kept for ever.
        self.rest = text[text.rfind(b"\n") + 1:][-65536:]

    def feed_kernel(self, data):
        """Whole lines of the kernel's trace: processes that the tracer does not see."""
        for match in KERNEL_OPEN.finditer(data):
            if int(match.group(3), 16) & WRITING:
                self.hold_named(match.group(1).decode(), None, match.group(2))

    def is_new(self, info):
        """Changing a file changes its ctime, which only a change of the clock can forge. With a clock that was set back,
        everything the guest came with is from the future."""
        now = self.since + time.monotonic() - self.began + 1
        return info.st_ctime >= self.since and not now < info.st_ctime <= loaded_at

    def hold_named(self, pid, folder, text):
        name = os.fsdecode(unescape(text))
        if name.startswith("/"):
            base = "/proc/%s/root" % pid
        elif folder is None or folder == b"AT_FDCWD":
            base = "/proc/%s/cwd/" % pid
        else:
            base = "/proc/%s/fd/%s/" % (pid, folder.decode())
        if not self.hold(base + name, pid) and name.startswith("/"):
            self.hold(name, pid)  # the process is gone already

    def hold(self, path, pid):
        """True when the file is held (from now on, or before)."""
        try:
            info = os.stat(path)
            if not stat.S_ISREG(info.st_mode):
                return True
            key = (info.st_dev, info.st_ino)
            held = self.files.get(key)
            if held is None:
                if not self.is_new(info) and not path.startswith("/proc/" + pid + "/fd/"):
                    return True  # about to be deleted, but not of the sample's making
                if len(self.files) >= HELD_LIMIT:
                    if not self.full:
                        self.log.warning("more than %d files written: the rest is not kept", HELD_LIMIT)
                    self.full = True
                    return True
                held = self.files[key] = Held(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY))
            held.pids.add(int(pid))
            return True
        except (OSError, ValueError):
            return False

    def upload(self, address, limit, skip):
        """Sends each content once. `skip`: hashes of contents that are known."""
        sent = set(skip)
        count = 0
        ending = []  # the next upload need not wait for the last one's acknowledgement
        for held in self.files.values():
            with os.fdopen(held.fd, "rb") as handle:
                info = os.fstat(handle.fileno())
                path = os.readlink("/proc/self/fd/%d" % handle.fileno())
                if info.st_nlink == 0 and path.endswith(" (deleted)"):
                    path = path[:-10]
                if not self.is_new(info) or path.startswith(("/proc/", "/sys/", "/dev/pts/")):
                    continue
                if info.st_size == 0:
                    continue
                if info.st_size > limit:
                    self.log.warning("not uploaded, %d bytes: %s", info.st_size, path)
                    continue
                digest = hashlib.sha256()
                for chunk in iter(lambda: handle.read(1 << 20), b""):
                    digest.update(chunk)
                name = digest.hexdigest()
                if name in sent:
                    if name in skip and path != self.sample:
                        self.log.info("a copy of the sample is at %s", path)
                    continue
                sent.add(name)
                handle.seek(0)
                clean = re.sub(r"[^A-Za-z0-9._-]", "_", os.path.basename(path)).strip(".")[:100] or "file"
                stream = Stream(address, file_header("files/%s_%s" % (name[:16], clean), path, held.pids))
                for chunk in iter(lambda: handle.read(1 << 18), b""):
                    stream.write(chunk)
                stream.end()
                ending.append(stream)
                if len(ending) > 16:
                    ending.pop(0).close()
                count += 1
                self.log.info("uploaded %s%s", path, " (deleted)" if info.st_nlink == 0 else "")
        for stream in ending:
            stream.close()
        self.files.clear()
        return count


# ---------------------------------------------------------------------------------------------- processes of the sample

def put(path, text):
    """Writes to a kernel file; False when the kernel does not want it."""
    try:
        with open(path, "w") as handle:
            handle.write(text)
        return True
    except OSError:
        return False


class Group:
    """The sample's processes, wherever they fork to, as one control group."""

    def __init__(self):
        parent = "/sys/fs/cgroup"
        for name in CGROUP[len(parent) + 1:].split("/"):
            put(parent + "/cgroup.subtree_control", "+pids")
            parent = parent + "/" + name
            try:
                os.mkdir(parent)
            except FileExistsError:
                pass
        put(CGROUP + "/pids.max", str(PROCESS_LIMIT))
        self.events = os.open(CGROUP + "/cgroup.events", os.O_RDONLY)

    def populated(self):
        return b"populated 1" in os.pread(self.events, 200, 0)

    def processes(self):
        try:
            with open(CGROUP + "/cgroup.procs") as handle:
                return [int(line) for line in handle]
        except OSError:
            return []

    def kill(self):
        if not put(CGROUP + "/cgroup.kill", "1"):  # Linux 5.14
            for _ in range(20):
                for pid in self.processes():
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except OSError:
                        pass

    def close(self):
        os.close(self.events)


class NoGroup:
    """Where control groups are not to be had: only the first process is watched, and its process group killed."""

    events = -1

    def __init__(self):
        self.leader = None

    def populated(self):
        return self.leader is not None

    def processes(self):
        return []

    def kill(self):
        if self.leader is not None:
            try:
                os.killpg(self.leader, signal.SIGKILL)
            except OSError:
                pass

    def close(self):
        pass


# ---------------------------------------------------------------------------------------------- the analysis

class Analysis:
    def __init__(self, config, sample, channel=None, show=True):
        self.config, self.sample, self.channel, self.show = config, sample, channel, show
        self.options = parse_options(config.get("options", ""))
        self.address = (config.get("ip", "10.0.2.2"), int(number(config.get("port", ""), 2042)))
        self.started, self.began = time.time(), time.monotonic()
        self.log = Log(self.address)
        self.use_strace = self.use_kernel = False
        self.poll = select.poll()
        # ctime has the kernel's tick as its grain, which may lie just before `started`.
        self.keeper = Keeper(self.log, self.started - 0.05, sample)
        self.folder = "/tmp"  # where the sample is started
        self.pid = None
        self.exit = None
        self.fifo = self.pipe = -1
        self.trace = self.kernel = None
        self.outputs = {}  # descriptor -> [name, Stream or None, bytes kept]
        self.console = -1
        self.shown = 0
        self.head = b""  # the first line of the trace: did the sample start?
        self.complaint = b""  # the beginning of stderr

    # -- start

    def run(self):
        """The whole analysis; raises AnalysisError when the sample cannot be run."""
        for name in sorted(set(self.options) - effective(self.config)):
            self.log.warning("the option %s has no effect in this guest", name)
        tracer = choose_tracer(self.options)
        self.use_strace = tracer in ("strace", "both")
        self.use_kernel = tracer in ("kprobe", "both")
        account = find_user(self.options.get("user", "root"))
        if self.config.get("category") == "archive":
            self.sample = self.keeper.sample = unpack_member(self.sample, self.options)
            self.folder = os.path.dirname(self.sample)
            self.keeper.since = time.time()  # what was unpacked is not of the sample's making
        package, argv = command_for(self.config, self.options, self.sample)
        known = []
        if package != "url":
            with open(self.sample, "rb") as handle:
                known.append(hashlib.sha256(handle.read()).hexdigest())
        self.log.info("task %s, package %s, command %s", self.config.get("id", "?"), package,
                      " ".join(shlex.quote(item) for item in argv))
        try:
            self.group = Group()
        except OSError as error:
            self.log.warning("no control groups, processes may be missed: %s", error)
            self.group = NoGroup()
        if self.use_kernel:
            self.start_kernel_trace()
        self.start_sample(argv, account)
        self.loop()
        self.finish(known)
        if package == "url":
            self.check_fetched()

    def start_kernel_trace(self):
        if not os.path.isdir(TRACING + "events/sys"):
            self.log.warning("no kernel trace events in this guest")
            self.use_kernel = False
            return
        put(TRACING + "tracing_on", "0")
        put(TRACING + "trace", "")
        put(TRACING + "set_event_pid", "")
        self.pipe = os.open(TRACING + "trace_pipe", os.O_RDONLY | os.O_NONBLOCK)
        # The trace counts from boot; the first line says when that was.
        head = b"# clock: + %.6f = seconds since 1970\n" % (time.time() - time.monotonic())
        self.kernel = Stream(self.address, file_header("logs/kernel.trace") + head)
        self.kernel_rest = b""

    def start_sample(self, argv, account):
        if self.use_strace:
            try:
                os.unlink(FIFO)
            except OSError:
                pass
            os.mkfifo(FIFO, 0o600)
            self.fifo = os.open(FIFO, os.O_RDONLY | os.O_NONBLOCK)
            fcntl.fcntl(self.fifo, 1031, 1 << 20)  # F_SETPIPE_SZ
            self.trace = Stream(self.address, file_header("logs/strace.log"))
            self.poll.register(self.fifo, select.POLLIN)
        out, err = os.pipe(), os.pipe()
        for pair, name in ((out, "stdout"), (err, "stderr")):
            os.set_blocking(pair[0], False)
            self.outputs[pair[0]] = [name, None, 0]
            self.poll.register(pair[0], select.POLLIN)
        if self.show:
            self.open_console(argv)
        failed = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.become_sample(argv, account, out[1], err[1])
            except BaseException as error:
                os.write(failed[1], str(error).encode()[:4000])
            finally:
                os._exit(127)
        for fd in (out[1], err[1], failed[1]):
            os.close(fd)
        problem = os.read(failed[0], 4000)
        os.close(failed[0])
        if problem:
            raise AnalysisError("the sample did not start: %s" % problem.decode("utf-8", "replace"))
        if isinstance(self.group, NoGroup):
            self.group.leader = self.pid
        self.log.info("started as process %d, user %s", self.pid, account.pw_name)

    def become_sample(self, argv, account, out, err):
        """In the child."""
        os.setsid()
        put("/proc/self/oom_score_adj", "0")
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        if isinstance(self.group, Group):
            put(CGROUP + "/cgroup.procs", "0")
        null = os.open("/dev/null", os.O_RDONLY)
        for source, target in ((null, 0), (out, 1), (err, 2)):
            os.dup2(source, target)
        home = account.pw_dir
        env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": home,
               "USER": account.pw_name, "LOGNAME": account.pw_name, "SHELL": account.pw_shell, "TERM": "linux",
               "PWD": self.folder}
        os.chdir(self.folder)
        if self.use_kernel:
            # cron too: what the sample writes into a crontab, cron runs.
            put(TRACING + "set_event_pid", "%d %s" % (os.getpid(), read("/run/crond.pid")))
            put(TRACING + "tracing_on", "1")
        if self.use_strace:
            switch = ["-u", account.pw_name] if account.pw_uid else []
            os.execve("/usr/bin/strace", STRACE + switch + ["--"] + argv, env)
        if account.pw_uid:
            os.initgroups(account.pw_name, account.pw_gid)
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
        os.execve(argv[0], argv, env)

    def open_console(self, argv):
        try:
            self.console = os.open(CONSOLE, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError:
            return
        self.print(" ".join(shlex.quote(item) for item in argv).encode("utf-8", "replace") + b"\r\n")

    def print(self, data):
        if self.console >= 0 and self.shown < CONSOLE_LIMIT:
            self.shown += len(data)
            try:
                os.write(self.console, data.replace(b"\n", b"\r\n"))
            except OSError:
                pass  # full or gone: it is only for the screenshot

    # -- run

    def loop(self):
        """Until every process of the sample has ended, the time is over, or somebody says stop."""
        timeout = number(self.config.get("timeout", ""), 120.0)
        deadline = time.monotonic() + timeout
        patient = yes(self.config.get("enforce_timeout", "no"))
        if self.group.events >= 0:
            self.poll.register(self.group.events, select.POLLPRI)
        if self.channel is not None:
            self.poll.register(self.channel.fileno(), select.POLLIN)
        if self.log.stream.sock is not None:
            self.poll.register(self.log.stream.sock.fileno(), 0)  # only its end
        moved = killed = False
        tick = time.monotonic() + TICK
        while True:
            now = time.monotonic()
            if now >= tick:
                self.deliver()
                tick = now + TICK
            if not killed and now >= deadline:
                self.log.info("time-out after %g seconds, ending the sample", timeout)
                killed = True
            elif not killed and self.told_to_stop:
                self.log.info("told to stop, ending the sample")
                killed = True
            if killed and deadline is not None:
                self.group.kill()
                deadline, limit = None, now + KILL_LIMIT
            self.reap()
            over = self.fifo < 0 and not self.group.populated()
            if over and (killed or not patient or self.told_to_stop):
                return
            if killed and now >= limit:
                self.log.warning("processes are left after being killed")
                return
            wait = min(tick, limit if killed else deadline) - now
            for fd, events in self.poll.poll(max(0, int(wait * 1000) + 1)):
                if fd == self.fifo:
                    self.read_trace()
                    if not moved:
                        moved = self.move_tracer()
                elif fd in self.outputs:
                    self.read_output(fd)
                elif fd == self.group.events:
                    self.group.populated()  # reading it clears the event
                else:
                    self.poll.unregister(fd)
                    self.told_to_stop = True

    told_to_stop = False

    def move_tracer(self):
        """Takes the tracer out of the sample's group: it has to outlive the sample by its last line."""
        for line in read("/proc/%d/status" % self.pid).split("\n"):
            if line.startswith("TracerPid:") and line[10:].strip() != "0":
                put("/sys/fs/cgroup/cgroup.procs", line[10:].strip())
        try:
            os.unlink(FIFO)
        except OSError:
            pass
        return True

    def read_trace(self):
        try:
            data = os.read(self.fifo, 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.poll.unregister(self.fifo)
            os.close(self.fifo)
            self.fifo = -1
            if self.group.populated():
                self.log.warning("the tracer has ended before the sample")
            return
        # First take hold of files, then send: the tracer waits for nobody once this process sleeps.
        self.keeper.feed(data)
        if len(self.head) < 4096:
            self.head += data[:4096]
        self.trace.write(data)

    def read_kernel(self):
        while self.pipe >= 0:
            try:
                data = os.read(self.pipe, 65536)
            except OSError:
                return
            if not data:
                return
            self.kernel.write(data)
            text = self.kernel_rest + data
            whole = text.rfind(b"\n") + 1
            self.keeper.feed_kernel(text[:whole])
            self.kernel_rest = text[whole:][-65536:]

    def read_output(self, fd):
        entry = self.outputs[fd]
        try:
            data = os.read(fd, 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.poll.unregister(fd)
            os.close(fd)
            del self.outputs[fd]
            if entry[1] is not None:
                entry[1].close()
            return
        self.print(data)
        if entry[0] == "stderr":
            self.complaint += data[:1000 - len(self.complaint)]
        room = OUTPUT_LIMIT - entry[2]
        if room > 0:
            if entry[1] is None:
                entry[1] = Stream(self.address, file_header("logs/%s.log" % entry[0]))
            entry[1].write(data[:room])
            entry[2] += len(data[:room])

    def deliver(self):
        self.read_kernel()
        for stream in [self.trace, self.kernel] + [entry[1] for entry in self.outputs.values()]:
            if stream is not None:
                stream.flush()

    def reap(self):
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                return
            if pid == self.pid:
                self.exit = status
                if isinstance(self.group, NoGroup):
                    self.group.leader = None
                if os.WIFSIGNALED(status):
                    self.log.info("process %d ended by signal %d", pid, os.WTERMSIG(status))
                else:
                    self.log.info("process %d ended with exit code %d", pid, os.WEXITSTATUS(status))

    # -- end

    def finish(self, known):
        if self.use_kernel:
            put(TRACING + "tracing_on", "0")
            lost = re.search(r"overrun: (\d+)", read(TRACING + "per_cpu/cpu0/stats"))
            if lost and lost.group(1) != "0":
                self.log.warning("the kernel dropped %s trace events", lost.group(1))
        for fd in list(self.outputs):
            self.read_output(fd)
        self.deliver()
        streams = [self.trace, self.kernel] + [entry[1] for entry in self.outputs.values()]
        for finish in (Stream.end, Stream.close):
            for stream in streams:
                if stream is not None:
                    finish(stream)
        if self.sample and not os.path.lexists(self.sample):
            self.log.info("the sample has deleted itself")
        limit = number(self.config.get("upload_max_size", ""), UPLOAD_LIMIT) or UPLOAD_LIMIT
        count = self.keeper.upload(self.address, limit, known)
        self.log.info("%d files uploaded, done after %.1f seconds", count, time.monotonic() - self.began)
        first = self.head.split(b"\n", 1)[0]
        failed = re.search(rb'execve\(.* = -1 (E\w+ \(.*\))', first)
        if failed:
            raise AnalysisError("the sample could not be executed: %s" % failed.group(1).decode("latin-1"))

    def check_fetched(self):
        """A URL that could not be opened at all is no success; one that nobody answered is a result, and said."""
        if self.exit is None or os.WIFSIGNALED(self.exit):
            return  # ended by its time-out
        code = os.WEXITSTATUS(self.exit)
        why = self.complaint.decode("utf-8", "replace").strip() or "curl ended with exit code %d" % code
        if code in NOT_TRIED:
            raise AnalysisError("the URL cannot be opened in this guest: %s" % why)
        if code:
            self.log.warning("the URL was not fetched: %s", why)

    def close(self):
        self.log.stream.close()
        for fd in [self.fifo, self.pipe, self.console] + list(self.outputs):
            if fd >= 0:
                os.close(fd)
        group = getattr(self, "group", None)
        if group is not None:
            group.close()


def read(path):
    try:
        with open(path) as handle:
            return handle.read()
    except OSError:
        return ""


def analyse(config, sample, channel=None, show=True):
    """Runs it to its end. Returns (status, description) as the host wants to hear them."""
    analysis = None
    try:
        analysis = Analysis(config, sample, channel, show)
        analysis.run()
        return "complete", None
    except AnalysisError as error:
        if analysis is not None:
            analysis.log.error("%s", error)
        return "exception", str(error)
    except Exception:
        text = traceback.format_exc()
        if analysis is not None:
            analysis.log.error("%s", text)
        return "exception", text
    finally:
        if analysis is not None:
            analysis.close()


# ---------------------------------------------------------------------------------------------- ways in

def prepare():
    resource.setrlimit(resource.RLIMIT_NOFILE, (HELD_LIMIT + 200, HELD_LIMIT + 200))
    # Not to be the one that is killed when the sample eats the memory.
    put("/proc/self/oom_score_adj", "-1000")
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(10))
    except OSError:
        pass  # not root: files deleted at once may be missed


def rehearse():
    """A whole analysis against nobody, so that nothing is loaded or run for the first time after a restore."""
    sink = socket.socket()
    sink.bind(("127.0.0.1", 0))
    sink.listen(64)  # never accepted: what is sent stays in the kernel
    path = "/tmp/.X0-lock"
    with open(path, "w") as handle:
        handle.write("#!/bin/sh\npython3 -S -c 'print(1)' > /tmp/.X1-lock\nperl -e 1\nrm /tmp/.X1-lock\n")
    os.chmod(path, 0o755)
    config = {"ip": "127.0.0.1", "port": str(sink.getsockname()[1]), "timeout": "60"}
    try:
        return analyse(config, path, show=False)
    finally:
        os.unlink(path)
        sink.close()


def serve(channel):
    """Preloaded by the agent: says `ready`, waits for its one task, reports running → complete or exception."""
    prepare()
    status, description = rehearse()
    if status != "complete":
        raise SystemExit(description)
    global loaded_at
    loaded_at = time.time() + SETTLE
    channel.send(b"ready")
    task = json.loads(channel.recv(1 << 20).decode())
    config = parse_config(task["config"])
    if not task["clock"]:
        set_clock(config)
    status, description = analyse(config, task["sample"] or stored_sample(config), channel)
    channel.send(json.dumps({"status": status, "description": (description or "")[:16384] or None}).encode())
    # Not ending keeps the agent's view simple: the guest is switched off now.
    while channel.recv(4096):
        pass


def stored_sample(config):
    name = os.path.basename(config.get("file_name", "").replace("\\", "/"))
    return "/tmp/" + name if name else None


def set_clock(config):
    try:
        moment = time.strptime(config.get("clock", ""), "%Y%m%dT%H:%M:%S")
        time.clock_settime(time.CLOCK_REALTIME, time.mktime(moment))
    except (ValueError, OSError):
        pass  # no clock given, or not ours to set


def report(status, description):
    """To an agent that did not preload us, as Cuckoo's analyzers do."""
    from urllib.parse import urlencode
    body = urlencode({"status": status, "description": description or ""}).encode()
    with socket.create_connection(("127.0.0.1", 8000), 10) as agent:
        agent.sendall(b"POST /status HTTP/1.0\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                      b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        while agent.recv(4096):
            pass


def main():
    prepare()
    with open("analysis.conf", encoding="utf-8") as handle:
        config = parse_config(handle.read())
    set_clock(config)
    sample = stored_sample(config)
    if sample and os.path.exists(sample):
        os.chmod(sample, 0o755)
    report(*analyse(config, sample))


if __name__ == "__main__":
    main()
