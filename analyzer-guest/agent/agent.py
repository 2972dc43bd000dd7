#!/usr/bin/env python3
"""The agent inside the guest: Cuckoo agent 0.10's HTTP interface on port 8000, and two additions (see ../README.md).

    agent.py [HOST [PORT [ANALYZER]]]

One file, standard library only, Python >= 3.6, Linux and Windows. HTTP is read by hand over one poll loop: under an
emulated processor every line of Python is felt, and http.server with email's header parser costs ten times as many.
Requests that may take long run in a thread each, so that /status is never behind them.
"""

import json
import mmap
import os
import platform
import select
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import zipfile
from hashlib import sha256
from urllib.parse import unquote_plus

VERSION = "0.10"
FEATURES = ["execpy", "pinning", "logs", "largefile", "unicodepath", "waitstatus"]

MAX_CONNECTIONS = 128
MAX_THREADS = 16
MAX_HEAD = 65536  # bytes of request line and headers
MAX_BODY = 1 << 30  # bytes
SPOOL_ABOVE = 4 << 20  # bytes of a body kept in memory; larger ones wait in an unnamed file
MAX_FIELDS = 1000  # per request
MAX_WAIT = 300.0  # seconds one /status/wait may last
IDLE_LIMIT = 60.0  # seconds a client may send nothing
SEND_LIMIT = 60.0  # seconds a client may take nothing
LOG_LIMIT = 65536  # characters of own output kept for /logs
WARM_ROUNDS = 12  # requests to itself before it listens

REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 408: "Request Timeout", 411: "Length Required",
           413: "Payload Too Large", 500: "Internal Server Error", 501: "Not Implemented", 503: "Service Unavailable"}


class Tail:
    """A text stream that keeps the last LOG_LIMIT characters."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text = (self.text + text)[-LOG_LIMIT:]
        return len(text)

    def flush(self):
        pass


class Refusal(Exception):
    def __init__(self, code, message):
        Exception.__init__(self, message)
        self.code = code


class Upload:
    """A file part of a request: the bytes from `start` to `end` of the body."""

    def __init__(self, filename, body, start, end):
        self.filename, self.body, self.start, self.end = filename, body, start, end

    def save(self, path, mode=None):
        if mode is None:
            target = open(path, "wb")
        else:
            # Made with its final mode: an executable must never be open for writing when it is run.
            target = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb")
        with target, memoryview(self.body) as view, view[self.start:self.end] as part:
            target.write(part)


class Request:
    def __init__(self, method, path, peer):
        self.method, self.path, self.peer = method, path, peer
        self.form, self.files = {}, {}

    def need(self, name, what):
        if name not in self.form:
            raise Refusal(400, "No %s has been provided" % what)
        return self.form[name]


class Agent:
    def __init__(self):
        self.status, self.description = None, None
        self.pinned = None
        self.foreign_posts = 0
        self.analyzer = None  # socket to the preloaded analyzer
        self.analyzer_pid, self.analyzer_hash = None, None
        self.started = self.ended = False
        self.running = True
        self.waiters = []  # [connection, deadline, status it does not want]
        self.threads = 0
        self.lock = threading.Lock()
        self.stdout, self.stderr = Tail(), Tail()


agent = Agent()


# ---------------------------------------------------------------------------------------------- answers

def answer(code, body, kind=b"application/json"):
    head = "HTTP/1.1 %d %s\r\nServer: Cuckoo Agent Python/%d.%d\r\nContent-Length: %d\r\nConnection: close\r\n" % (
        code, REASONS.get(code, "Error"), sys.version_info[0], sys.version_info[1], len(body))
    return head.encode() + b"Content-Type: " + kind + b"\r\n\r\n" + body


def success(message, **values):
    values["message"] = message
    return answer(200, json.dumps(values).encode())


def failure(code, message, **values):
    values["message"] = message
    values["error_code"] = code
    return answer(code, json.dumps(values).encode())


def failed(message):
    """Called inside an `except`: what Cuckoo's agent answers when a handler throws."""
    return failure(500, message, traceback=traceback.format_exc())


# ---------------------------------------------------------------------------------------------- quick routes

def get_index(_request):
    features, extra = list(FEATURES), {}
    if agent.analyzer is not None:
        features.append("analyze")
        extra["analyzer"] = {"sha256": agent.analyzer_hash}
    return success("Cuckoo Agent!", version=VERSION, features=features, **extra)


def get_status(_request=None):
    extra = {}
    if agent.analyzer is not None:
        extra["process_id"] = agent.analyzer_pid
    if agent.foreign_posts:
        extra["foreign_status_posts"] = agent.foreign_posts
    return success("Analysis status", status=agent.status, description=agent.description, **extra)


def post_status(request):
    status = request.need("status", "status")
    if agent.started:
        # The preloaded analyzer alone says how its analysis stands; the host may ask it to stop, the sample nothing.
        if request.peer != agent.pinned:
            agent.foreign_posts += 1
        elif status == "stop" and not agent.ended:
            agent.analyzer.send(b'{"op": "stop"}')
        return success("Analysis status updated")
    set_status(status, request.form.get("description"))
    return success("Analysis status updated")


def post_wait(request):
    try:
        limit = min(max(float(request.form.get("timeout", "60")), 0.0), MAX_WAIT)
    except ValueError:
        raise Refusal(400, "The timeout is not a number")
    unwanted = request.form.get("not") or None
    if agent.status != unwanted or limit == 0:
        return get_status()
    return Wait(time.monotonic() + limit, unwanted)


class Wait:
    def __init__(self, deadline, unwanted):
        self.deadline, self.unwanted = deadline, unwanted


def get_logs(_request):
    return success("Agent logs", stdout=agent.stdout.text, stderr=agent.stderr.text)


def get_system(_request):
    return success("System", system=platform.system())


def get_environ(_request):
    return success("Environment variables", environ=dict(os.environ))


def get_path(_request):
    return success("Agent path", filepath=os.path.abspath(__file__))


def get_pinning(request):
    if agent.pinned is not None:
        return failure(500, "Agent has already been pinned to an IP!")
    agent.pinned = request.peer
    return success("Successfully pinned Agent", client_ip=request.peer)


def get_kill(_request):
    agent.running = False
    return success("Quit the Agent")


def post_analyze(request):
    if agent.analyzer is None:
        raise Refusal(400, "No analyzer is preloaded")
    if agent.started:
        raise Refusal(400, "An analysis was already started")
    config = request.need("config", "config")
    if "clock" in request.form:
        try:
            time.clock_settime(time.CLOCK_REALTIME, float(request.form["clock"]))
        except (ValueError, OverflowError, OSError) as error:
            raise Refusal(400, "The clock cannot be set to %s seconds since 1970: %s" % (request.form["clock"], error))
    sample = None
    if "file" in request.files:
        upload = request.files["file"]
        name = upload.filename.replace("\\", "/").rpartition("/")[2].replace("\0", "")
        if name in ("", ".", "..") or len(os.fsencode(name)) > 255:
            raise Refusal(400, "The file needs a plain name of at most 255 bytes")
        sample = "/tmp/" + name
        upload.save(sample, 0o755)
        os.chmod(sample, 0o755)
    agent.analyzer.send(json.dumps({"op": "start", "config": config, "sample": sample,
                                    "clock": "clock" in request.form}).encode())
    agent.started = True
    agent.pinned = agent.pinned or request.peer
    set_status("running", None)
    return success("Analysis started", process_id=agent.analyzer_pid)


def post_warmup(_request):
    return success("Warm")


# ---------------------------------------------------------------------------------------------- routes that may take long

def post_mkdir(request):
    dirpath = request.need("dirpath", "dirpath")
    try:
        os.makedirs(dirpath, int(request.form.get("mode", 0o777)))
    except Exception:
        return failed("Error creating directory")
    return success("Successfully created directory")


def temporary_names(request):
    return request.form.get("suffix", ""), request.form.get("prefix", "tmp"), request.form.get("dirpath")


def any_mktemp(request):
    try:
        handle, filepath = tempfile.mkstemp(*temporary_names(request))
        os.close(handle)
    except Exception:
        return failed("Error creating temporary file")
    return success("Successfully created temporary file", filepath=filepath)


def any_mkdtemp(request):
    try:
        dirpath = tempfile.mkdtemp(*temporary_names(request))
    except Exception:
        return failed("Error creating temporary directory")
    return success("Successfully created temporary directory", dirpath=dirpath)


def post_store(request):
    filepath = request.need("filepath", "filepath")
    if "file" not in request.files:
        raise Refusal(400, "No file has been provided")
    try:
        request.files["file"].save(filepath)
    except Exception:
        return failed("Error storing file")
    return success("Successfully stored file")


class Download:
    def __init__(self, handle):
        self.handle = handle


def post_retrieve(request):
    filepath = request.need("filepath", "filepath")
    try:
        return Download(open(filepath, "rb"))
    except OSError:
        return answer(404, b"", b"application/octet-stream")


def post_extract(request):
    dirpath = request.need("dirpath", "dirpath")
    if "zipfile" not in request.files:
        raise Refusal(400, "No zip file has been provided")
    try:
        with tempfile.TemporaryFile() as spool:
            upload = request.files["zipfile"]
            with memoryview(upload.body) as view, view[upload.start:upload.end] as part:
                spool.write(part)
            with zipfile.ZipFile(spool) as archive:
                archive.extractall(dirpath)
    except Exception:
        return failed("Error extracting zip file")
    return success("Successfully extracted zip file")


def unprotect(function, path, _info):
    os.chmod(path, stat.S_IWRITE)
    function(path)


def post_remove(request):
    path = request.need("path", "path")
    try:
        if os.path.isdir(path):
            shutil.rmtree(path, onerror=unprotect)
            return success("Successfully deleted directory")
        if os.path.isfile(path):
            os.chmod(path, stat.S_IWRITE)
            os.remove(path)
            return success("Successfully deleted file")
    except Exception:
        return failed("Error removing file or directory")
    return failure(404, "Path provided does not exist")


def run(request, argv, use_shell):
    # What is run must not find a socket of the agent: a child that keeps the connection open would keep the client
    # waiting. Python's descriptors are not inherited (PEP 446), so nothing is left to do.
    try:
        quiet = {"stdin": subprocess.DEVNULL, "cwd": request.form.get("cwd"), "shell": use_shell}
        if "async" in request.form:
            child = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **quiet)
            threading.Thread(target=child.wait, daemon=True).start()
            return success("Successfully executed command", stdout=None, stderr=None, process_id=child.pid)
        child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **quiet)
        out, err = child.communicate()
    except Exception:
        return failed("Error executing command")
    return success("Successfully executed command", stdout=out.decode("utf-8", "replace"),
                   stderr=err.decode("utf-8", "replace"))


def post_execute(request):
    command = request.need("command", "command")
    use_shell = "shell" in request.form
    if use_shell or os.name == "nt":
        return run(request, command, use_shell)
    try:
        argv = shlex.split(command)
    except ValueError:
        return failed("Error executing command")
    return run(request, argv, False)


def post_execpy(request):
    return run(request, [sys.executable, request.need("filepath", "Python file")], False)


QUICK = {
    "/": {"GET": get_index},
    "/status": {"GET": get_status, "POST": post_status},
    "/status/wait": {"POST": post_wait},
    "/logs": {"GET": get_logs},
    "/system": {"GET": get_system},
    "/environ": {"GET": get_environ},
    "/path": {"GET": get_path},
    "/pinning": {"GET": get_pinning},
    "/kill": {"GET": get_kill},
    "/analyze": {"POST": post_analyze},
    "/warmup": {"POST": post_warmup},
}
SLOW = {
    "/mkdir": {"POST": post_mkdir},
    "/mktemp": {"GET": any_mktemp, "POST": any_mktemp},
    "/mkdtemp": {"GET": any_mkdtemp, "POST": any_mkdtemp},
    "/store": {"POST": post_store},
    "/retrieve": {"POST": post_retrieve},
    "/extract": {"POST": post_extract},
    "/remove": {"POST": post_remove},
    "/execute": {"POST": post_execute},
    "/execpy": {"POST": post_execpy},
}


# ---------------------------------------------------------------------------------------------- reading requests

def parse_urlencoded(body, request):
    if len(body) > SPOOL_ABOVE:
        raise Refusal(413, "The form is too large")
    pairs = bytes(body).split(b"&")
    if len(pairs) > MAX_FIELDS:
        raise Refusal(413, "The form has too many fields")
    for pair in pairs:
        name, _, value = pair.partition(b"=")
        if value:  # Cuckoo's agent drops blank values
            request.form[unquote_plus(name.decode("latin-1"))] = unquote_plus(value.decode("latin-1"))


def parameter(header, name):
    """The value of `name=…` in a header line such as `form-data; name="a b"; filename="c\\"d"`; None when absent."""
    at = 0
    while True:
        at = header.find(name + "=", at)
        if at < 0:
            return None
        if at == 0 or header[at - 1] in "; \t":
            break
        at += 1
    at += len(name) + 1
    if header[at:at + 1] != '"':
        return header[at:].partition(";")[0].strip()
    out, at = [], at + 1
    while at < len(header) and header[at] != '"':
        # Only a quote is ever escaped: browsers write %22, others \", and a lone backslash is part of a Windows path.
        if header[at] == "\\" and header[at + 1:at + 2] == '"':
            at += 1
        out.append(header[at])
        at += 1
    return "".join(out).replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")


def parse_multipart(body, boundary, request):
    mark = b"--" + boundary
    at, parts = body.find(mark), 0
    while at >= 0:
        at += len(mark)
        if body[at:at + 2] == b"--":
            return
        parts += 1
        if parts > MAX_FIELDS:
            raise Refusal(413, "The form has too many fields")
        head_end = body.find(b"\r\n\r\n", at, at + MAX_HEAD)
        end = body.find(b"\r\n" + mark, max(head_end + 2, at))
        if head_end < 0 or end < 0:
            raise Refusal(400, "The multipart body is cut short")
        for line in bytes(body[at:head_end]).decode("utf-8", "surrogateescape").split("\r\n"):
            if line[:20].lower() == "content-disposition:":
                name, filename = parameter(line, "name"), parameter(line, "filename")
                if name and filename:
                    request.files[name] = Upload(filename, body, head_end + 4, end)
                elif name:
                    try:
                        request.form[name] = bytes(body[head_end + 4:end]).decode("utf-8")
                    except UnicodeDecodeError:
                        raise Refusal(400, "The field %s is not UTF-8" % name)
        at = end + 2


class Connection:
    """One client. `feed` is called whenever bytes are there; `request` is set once the whole request is."""

    def __init__(self, sock, peer):
        self.sock, self.peer = sock, peer
        self.seen = time.monotonic()
        self.head = bytearray()
        self.method = self.path = self.kind = None
        self.left = None  # body bytes still to come
        self.body = None
        self.spool = None

    def feed(self, chunk):
        """True when the request is complete."""
        self.seen = time.monotonic()
        if self.left is None:
            self.head += chunk
            end = self.head.find(b"\r\n\r\n")
            if end < 0:
                if len(self.head) > MAX_HEAD:
                    raise Refusal(413, "The headers are too long")
                return False
            chunk = bytes(self.head[end + 4:])
            self.parse_head(bytes(self.head[:end]))
        if len(chunk) > self.left:
            chunk = chunk[:self.left]
        self.left -= len(chunk)
        if self.spool is not None:
            self.spool.write(chunk)
        else:
            self.body += chunk
        return self.left == 0

    def parse_head(self, head):
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        if len(words) != 3:
            raise Refusal(400, "Bad request line")
        self.method, self.path = words[0], words[1]
        length = 0
        for line in lines[1:]:
            name, _, value = line.partition(":")
            name = name.lower()
            if name == "content-length":
                try:
                    length = int(value)
                except ValueError:
                    length = -1
            elif name == "content-type":
                self.kind = value.strip()
            elif name == "transfer-encoding":
                raise Refusal(411, "Send a Content-Length, not a chunked body")
            elif name == "expect" and value.strip().lower() == "100-continue":
                self.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if length < 0:
            raise Refusal(400, "Bad Content-Length")
        if length > MAX_BODY:
            raise Refusal(413, "The body is too large")
        self.left = length
        if length > SPOOL_ABOVE:
            self.spool = tempfile.TemporaryFile()
        else:
            self.body = bytearray()

    def request(self):
        request = Request(self.method, self.path, self.peer)
        body = self.body
        if self.spool is not None:
            self.spool.flush()
            body = mmap.mmap(self.spool.fileno(), 0, access=mmap.ACCESS_READ)
        if not body:
            return request
        kind = (self.kind or "").lower()
        if kind.startswith("multipart/form-data"):
            boundary = parameter(self.kind, "boundary")
            if not boundary:
                raise Refusal(400, "The multipart body has no boundary")
            parse_multipart(body, boundary.encode("latin-1"), request)
        elif not kind or kind.startswith("application/x-www-form-urlencoded"):
            parse_urlencoded(body, request)
        return request

    def close(self):
        if self.spool is not None:
            self.spool.close()
        self.sock.close()

    def reply(self, response):
        """Sends and closes. Small answers fit the socket's buffer; only threads send large ones."""
        try:
            self.sock.settimeout(SEND_LIMIT)
            if isinstance(response, Download):
                with response.handle as handle:
                    size = os.fstat(handle.fileno()).st_size
                    self.sock.sendall(answer(200, b"", b"application/octet-stream").replace(
                        b"Content-Length: 0", b"Content-Length: %d" % size))
                    while size > 0:
                        chunk = handle.read(min(size, 1 << 20))
                        if not chunk:
                            break  # it shrank: the client sees a short body
                        self.sock.sendall(chunk)
                        size -= len(chunk)
            else:
                self.sock.sendall(response)
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the client is gone
        self.close()


def guarded(handler, request):
    try:
        return handler(request)
    except Refusal as refusal:
        return failure(refusal.code, str(refusal))
    except Exception:
        return failed("Error handling the request")


def run_slow(connection, handler, request):
    try:
        connection.sock.setblocking(True)
        connection.reply(guarded(handler, request))
    finally:
        with agent.lock:
            agent.threads -= 1


def allowed(connection):
    """Pinned: everybody else is hung up on, but for a loopback POST /status (protocols: the analyzer's report)."""
    if agent.pinned is None or connection.peer == agent.pinned:
        return True
    return connection.peer == "127.0.0.1" and connection.method == "POST" and connection.path == "/status"


def dispatch(connection):
    if not allowed(connection):
        connection.close()
        return
    try:
        request = connection.request()
    except Refusal as refusal:
        connection.reply(failure(refusal.code, str(refusal)))
        return
    routes = QUICK.get(connection.path) or SLOW.get(connection.path)
    if routes is None:
        connection.reply(failure(404, "Route not found"))
        return
    handler = routes.get(connection.method)
    if handler is None:
        connection.reply(failure(501, "Method not supported"))
        return
    if connection.path in QUICK:
        response = guarded(handler, request)
        if isinstance(response, Wait):
            agent.waiters.append((connection, response.deadline, response.unwanted))
        else:
            connection.reply(response)
        return
    with agent.lock:
        busy = agent.threads >= MAX_THREADS
        if not busy:
            agent.threads += 1
    if busy:
        connection.reply(failure(503, "Too many requests at once"))
        return
    threading.Thread(target=run_slow, args=(connection, handler, request), daemon=True).start()


# ---------------------------------------------------------------------------------------------- status

def set_status(status, description):
    agent.status, agent.description = status, description
    keep = []
    for waiter in agent.waiters:
        if status != waiter[2]:
            waiter[0].reply(get_status())
        else:
            keep.append(waiter)
    agent.waiters = keep


def analyzer_says():
    """One message of the preloaded analyzer; its end without a last word is an exception."""
    try:
        message = agent.analyzer.recv(65536)
    except OSError:
        message = b""
    if not message:
        if not agent.ended:
            agent.ended = True
            set_status("exception", "The analyzer ended without a word")
        return False
    said = json.loads(message.decode())
    agent.ended = said["status"] in ("complete", "exception")
    set_status(said["status"], said.get("description"))
    return True


# ---------------------------------------------------------------------------------------------- the loop

class Poller:
    """select.poll where there is one; select elsewhere (Windows)."""

    def __init__(self):
        self.poll = select.poll() if hasattr(select, "poll") else None
        self.sockets = set()

    def add(self, sock):
        self.sockets.add(sock)
        if self.poll:
            self.poll.register(sock, select.POLLIN)

    def remove(self, sock):
        self.sockets.discard(sock)
        if self.poll:
            self.poll.unregister(sock)

    def wait(self, seconds):
        if self.poll:
            return [fd for fd, _ in self.poll.poll(None if seconds is None else max(0, int(seconds * 1000) + 1))]
        return [sock.fileno() for sock in select.select(list(self.sockets), [], [], seconds)[0]]


def serve(listener, until=None):
    """Answers requests until /kill, or until `until()` is true."""
    poller, clients = Poller(), {}
    poller.add(listener)
    listening = listener.fileno()
    analyzing = -1
    if agent.analyzer is not None and until is None:
        poller.add(agent.analyzer)
        analyzing = agent.analyzer.fileno()
    while agent.running and not (until and until()):
        seconds = None  # nobody there: sleep without a timer
        if clients or agent.waiters:
            deadlines = [c.seen + IDLE_LIMIT for c in clients.values()] + [w[1] for w in agent.waiters]
            seconds = max(0.0, min(deadlines) - time.monotonic())
        for fd in poller.wait(seconds):
            if fd == listening:
                try:
                    sock, address = listener.accept()
                except OSError:
                    continue
                if len(clients) + len(agent.waiters) >= MAX_CONNECTIONS:
                    sock.close()
                    continue
                sock.setblocking(False)
                clients[sock.fileno()] = Connection(sock, address[0])
                poller.add(sock)
                fd = sock.fileno()  # its bytes are mostly there already: saves one turn
            elif fd == analyzing:
                if not analyzer_says():
                    poller.remove(agent.analyzer)
                continue
            client = clients.get(fd)
            if client is not None and read_from(client):
                del clients[fd]
                poller.remove(client.sock)
                if client.left == 0:
                    dispatch(client)
                else:
                    client.close()
        if seconds is not None:
            expire(poller, clients)
    for client in clients.values():
        client.close()


def read_from(client):
    """True when the connection needs no more reading: the request is whole, or refused, or the client is gone."""
    try:
        chunk = client.sock.recv(262144)
    except (BlockingIOError, InterruptedError):
        return False
    except OSError:
        chunk = b""
    if not chunk:
        client.left = None
        return True
    try:
        return client.feed(chunk)
    except Refusal as refusal:
        client.left = None
        try:
            client.sock.send(failure(refusal.code, str(refusal)))
        except OSError:
            pass
        return True


def expire(poller, clients):
    now = time.monotonic()
    for fd in [fd for fd, client in clients.items() if now - client.seen >= IDLE_LIMIT]:
        client = clients.pop(fd)
        poller.remove(client.sock)
        client.close()
    keep = []
    for waiter in agent.waiters:
        if now >= waiter[1]:
            waiter[0].reply(get_status())
        else:
            keep.append(waiter)
    agent.waiters = keep


# ---------------------------------------------------------------------------------------------- start

def preload(path):
    """Forks the process that will run the one analysis; returns when it has tried everything once."""
    with open(path, "rb") as handle:
        source = handle.read()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        ours.close()
        code = 1
        try:
            module = {"__name__": "analyzer", "__file__": path}
            exec(compile(source, path, "exec"), module)
            module["serve"](theirs)
            code = 0
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
        finally:
            os._exit(code)
    theirs.close()
    if ours.recv(64) != b"ready":
        raise SystemExit("the analyzer did not get ready")
    agent.analyzer, agent.analyzer_pid = ours, pid
    agent.analyzer_hash = sha256(source).hexdigest()


WARM_PART = (b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n" + bytes(65536) + b"\r\n--x--\r\n")
WARM_REQUESTS = (
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /status HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /status/wait HTTP/1.1\r\nContent-Length: 9\r\n\r\ntimeout=0",
    # No config: refused after everything was read.
    b"POST /analyze HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: %d\r\n\r\n%s"
    % (len(WARM_PART), WARM_PART),
)


def warm():
    """Asks itself a few things over loopback, so that no code is run for the first time after a restore."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(16)
    left = [0]

    def ask():
        for _ in range(WARM_ROUNDS):
            for text in WARM_REQUESTS:
                with socket.create_connection(listener.getsockname()) as client:
                    client.sendall(text)
                    while client.recv(65536):
                        pass
        left[0] = 1
        socket.create_connection(listener.getsockname()).close()

    thread = threading.Thread(target=ask)
    thread.start()
    serve(listener, lambda: left[0])
    thread.join()
    listener.close()


def main(argv):
    host = argv[1] if len(argv) > 1 else "0.0.0.0"
    port = int(argv[2]) if len(argv) > 2 else 8000
    if len(argv) > 3:
        preload(argv[3])
    sys.stdout, sys.stderr = agent.stdout, agent.stderr
    warm()
    listener = socket.socket()
    if os.name != "nt":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(128)
    listener.setblocking(False)
    if port == 0:
        # For tests: whoever asked for any port wants to know which.
        sys.__stdout__.write("%d\n" % listener.getsockname()[1])
        sys.__stdout__.flush()
    serve(listener)


if __name__ == "__main__":
    main(sys.argv)
