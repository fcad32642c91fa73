"""server.py - lesson 04, HTTP: requests and answers are text, over the socket of lesson 01.

Run:         python3 server.py [HOST [PORT [ROOT]]]      (ROOT: a directory to serve, such as www)
Talk to it:  a browser, curl or client.py, at http://127.0.0.1:8080/
New:         a protocol: where a request ends, what it may say; a fixed pool of threads that all
             wait in accept, so that no crowd starts more; deadlines for slow visitors
Not yet:     secrecy (https is HTTP over TLS), a second request on the same connection
"""
import contextlib
import errno
import os
import re
import resource
import select
import signal
import socket
import stat
import sys
import threading
import time

LOWEST_PORT = 0  # 0: the kernel picks a free port
BACKLOG = 4096  # connections that may wait for accept; the kernel may allow fewer
POOL_SIZE = 512  # threads, each with one visitor at a time
DESCRIPTORS = 3 * POOL_SIZE + 16  # a visitor, a folder, a file in it; 16: what else is open
STACK_SIZE = 1048576  # bytes of stack for each thread; a page never used costs nothing
HEAD_SIZE = 8192  # bytes that the head of a request may have
ANSWER_SIZE = 131072  # bytes that one send hands to the kernel at most
SILENCE = 10  # seconds in which a visitor must send or take something
PATIENCE = 30  # seconds that a whole request may take
HURRY = 2  # both when no thread is free: the next one must not wait long
LINGER = 2  # seconds to read on after an answer to an unread request
PROGRAM = "server"
USAGE = """usage: server [HOST [PORT [ROOT]]]    (127.0.0.1 8080)
PORT 0 to 65535, 0: any free one; ROOT: a directory to serve"""


# ---- Helpers: the same text in every lesson that has them ----


def say(line, to=1, end="\n"):
    """Writes a line, at once and whole, on stdout (1) or stderr (2). Returns None, or the error: a
    server serves on when nobody reads what it prints. os.write, because print has a buffer."""
    text = (line + end).encode("utf-8", "surrogateescape")
    try:
        while text:
            text = text[os.write(to, text):]  # a signal may cut a write short
    except OSError as error:
        return error


def read_arguments(*defaults):
    """Returns HOST, PORT and what else the arguments hold, as bytes, the default for each that is
    missing; ends the program if they ask for help (exit status 0) or are wrong usage (2)."""
    given = [os.fsencode(argument) for argument in sys.argv[1:]]
    host, port, *more = given + list(defaults[len(given):])
    wants_help = given[:1] in ([b"-h"], [b"--help"])
    if (wants_help or host.startswith(b"-") or len(given) > len(defaults) or not port.isdigit()
            or not LOWEST_PORT <= float(port) <= 65535):  # int raises for 5000 digits
        say(USAGE, to=1 if wants_help else 2)
        sys.exit(0 if wants_help else 2)
    return host, port, *more


def report(operation, object, reason):
    """Says on stderr which operation failed, on what and why. Returns the exit status for it, 1."""
    say(f"{PROGRAM}: {operation} {object}: {reason}", to=2)
    return 1


def address_name(address):
    """Returns an address as 127.0.0.1:19527 or [::1]:19527. socket.getnameinfo"""
    ip, service = socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
    return f"[{ip}]:{service}" if ":" in ip else f"{ip}:{service}"


def escaped(match):
    """Returns the matched character as a C string literal would show it."""
    special = {"\n": r"\n", "\t": r"\t", "\r": r"\r", "\\": r"\\"}
    character = match[0].encode("utf-8", "surrogateescape")
    return special.get(match[0]) or "".join(f"\\x{byte:02x}" for byte in character)


def shown(received):
    """Returns bytes as a C string literal would show them: one message, one line. Control
    characters could drive the terminal; a surrogate stands for a byte that is no UTF-8."""
    text = received.decode("utf-8", "surrogateescape")
    return re.sub(r"[\x00-\x1f\x7f-\x9f\\\ud800-\udfff]", escaped, text)


def open_listener(host, port):
    """Returns a socket that listens on the first address of HOST that works; if none does, ends the
    program with exit status 1. socket.getaddrinfo, socket.socket.bind, listen"""
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        sys.exit(report("resolve", os.fsdecode(host), error.strerror))
    for family, kind, protocol, _, address in addresses:
        try:
            listener = socket.socket(family, kind, protocol)  # 1. create
            # what is left of an earlier run's connections must not keep the port from us
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)  # 2. bind
            listener.listen(BACKLOG)  # 3. listen
            return listener
        except OSError as error:
            reason = error.strerror
    sys.exit(report("bind", address_name(address), reason))


def stop_on_signals():
    """Lets SIGINT and SIGTERM end the program, wherever it is, its threads too. A thread waits for
    them: a handler runs between two steps, and misses one that comes just before a call waits. If
    it cannot be started, the program ends with exit status 1. signal.sigwait"""
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)

    def wait():
        signal.sigwait(ends)
        os._exit(0)

    try:
        threading.Thread(target=wait, daemon=True).start()
    except RuntimeError as error:
        sys.exit(report("pthread_create", "the signal thread", error))


said = -10.0  # when accept_failed spoke last, in seconds of the monotonic clock


def accept_failed(name, error):
    """After a failed accept, mostly for want of descriptors: says why, every 10 s at most, and
    waits 100 ms, so that the server neither ends nor spins."""
    global said
    if time.monotonic() - said >= 10:
        report("accept", name, error.strerror)
        said = time.monotonic()
    time.sleep(0.1)


# ---- The lesson ----

root = None  # the descriptor of ROOT, None without one
busy, pool = set(), 0  # the visitors that a thread talks with; how many threads there are
logging = threading.Lock()  # a pipe takes a long line in pieces: no other may come between them

# The functions below return a status as the text "CODE REASON: EXPLANATION", None as long as
# nothing is wrong. RFC 9110 15
OK = "200 OK: This page came through a TCP socket, in answer to your request:"
MOVED = "301 Moved Permanently: a directory ends in /"
FORBIDDEN = "403 Forbidden: this is not for you"
NOT_FOUND = "404 Not Found: there is no such file"
TOO_SLOW = "408 Request Timeout: silent for too long, or over 30 s in all"
LEFT_EARLY = "left before the end of the request"
BAD_LINE = "400 Bad Request: the first line must be METHOD TARGET HTTP/1.1"

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
REQUEST_LINE = re.compile(TOKEN + rb" [^ \t\r\n]+ HTTP/([0-9])\.([0-9])\r?\n")
HOST = re.compile(rb"""\nHost:[ \t]*(?:[^ \t\r\n"#,/<>?@\\^`{|}]+[ \t]*)?\r?(?=\n)""", re.I)
HEADER_LINES = re.compile(rb"(?:%s:[^\n]*\n)*\r?\n\Z" % TOKEN)
CONTROL = re.compile(rb"[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")
BODY = re.compile(rb"\n(?:Content-Length|Transfer-Encoding):", re.I)
TYPES = {
    ".html": "text/html; charset=utf-8", ".txt": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8", ".json": "application/json", ".pdf": "application/pdf",
    ".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg",
    ".gif": "image/gif", ".webp": "image/webp", ".ico": "image/x-icon",
}


def receive_head(client):
    """Receives until the empty line that ends the head, which it keeps, and cuts off what follows.
    Returns the head; None, LEFT_EARLY, 400, 408, 414 or 431; and whether more may follow.
    RFC 9112 2.2"""
    request, start, began = b"", 0, time.monotonic()
    while len(request) < HEAD_SIZE:
        left = began + (PATIENCE if len(busy) < pool else HURRY) - time.monotonic()
        if left <= 0:
            return request, TOO_SLOW, False
        client.settimeout(min(left, SILENCE))
        try:
            received = client.recv(HEAD_SIZE - len(request))
        except socket.timeout:
            return request, TOO_SLOW, False
        except OSError:
            received = b""
        if not received:
            return request, LEFT_EARLY, False
        request += received
        if start == 0 and request.startswith(b"\r\n"):  # one empty line may come first
            request, start = request[2:], 2
        end = re.search(rb"\n\r?\n", request)  # line feeds alone will do
        head = request[:end.end()] if end else request
        if b"\0" in head:
            return head[:head.index(b"\0")], "400 Bad Request: a zero byte", False
        if end:
            return head, None, len(head) < len(request) or start + len(request) >= HEAD_SIZE
        line, newline, _ = request.partition(b"\n")
        if newline and b" HTTP/" not in line:
            return request, BAD_LINE, False  # HTTP/0.9
    return request, ("431 Request Header Fields Too Large: over 8192 bytes" if b"\n" in request
                     else "414 URI Too Long: 8192 bytes are the limit"), False


def check_head(head):
    """Checks a whole head. Returns None for a GET or HEAD that may be answered, else 400, 405, 501
    or 505. RFC 9112 3 to 5"""
    if CONTROL.search(head):
        return "400 Bad Request: a control character"
    line = REQUEST_LINE.match(head)
    if not line:
        return BAD_LINE
    if line[1] != b"1":
        return "505 HTTP Version Not Supported: this server speaks HTTP/1.1"
    if not HEADER_LINES.match(head, line.end()):
        return "400 Bad Request: a header is NAME: VALUE"
    hosts = head.lower().count(b"\nhost:")
    if hosts > 1 or len(HOST.findall(head)) < hosts or (hosts == 0 and line[2] != b"0"):
        return "400 Bad Request: HTTP/1.1 asks for one header Host, such as Host: 127.0.0.1"
    method = head.split(b" ")[0]
    if method in (b"GET", b"HEAD"):
        return None
    if method in (b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE"):
        return "405 Method Not Allowed: this server knows GET and HEAD"
    return "501 Not Implemented: this server knows GET and HEAD"


def decode(text):
    """Returns text with %41 as A and so on, or None if that cannot be. RFC 3986 2.1"""
    if re.search(rb"%(?![0-9A-Fa-f]{2})|%00", text):
        return None
    return re.sub(rb"%(..)", lambda match: bytes([int(match[1], 16)]), text, flags=re.S)


def open_below(path):
    """Opens the file at path below ROOT, one component after the other and through no symbolic
    link: so nothing leads out, not even a directory that becomes a link in this moment. Returns the
    descriptor. os.open"""
    file = root
    for name in filter(None, path.split(b"/")):
        folder = file
        try:  # O_NONBLOCK: a FIFO that nobody writes must not keep us
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        finally:
            if folder != root:
                os.close(folder)
    return file


def content_type(path):
    """Returns the content type for the end of a file's name. RFC 9110 8.3"""
    end = path[path.rfind(b"."):] if b"." in path else b""
    return TYPES.get(end.decode("latin-1").lower(), "application/octet-stream")


def open_target(head):
    """Finds what a checked head asks for. Returns OK, 301, 400, 403, 404 or 503; the descriptor of
    the file, None for a page; and the type and the size of the file. RFC 9112 3.2"""
    target = head.split(b" ")[1].partition(b"?")[0]  # "/path", or "http://host/path"
    target = re.sub(rb"(?i)\Ahttp://[^/]*", b"", target)
    path = decode(target)
    nothing = None, None, 0
    if target and not target.startswith(b"/"):
        return "400 Bad Request: the target is no path", *nothing
    if path is None:
        return "400 Bad Request: after % come two digits, never 00", *nothing
    if root is None:
        return NOT_FOUND if path.strip(b"/") else OK, *nothing
    if b"/.." in path:
        return FORBIDDEN, *nothing
    folder = path == b"" or path.endswith(b"/")
    path += b"index.html" if folder else b""
    try:
        file = open_below(path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            return NOT_FOUND, *nothing
        if error.errno in (errno.EMFILE, errno.ENFILE):
            return "503 Service Unavailable: try again later", *nothing
        return FORBIDDEN, *nothing
    info = os.fstat(file)
    if stat.S_ISREG(info.st_mode):
        return OK, file, content_type(path), info.st_size
    os.close(file)
    return MOVED if stat.S_ISDIR(info.st_mode) and not folder else FORBIDDEN, *nothing


def write_page(status, request):
    """Returns the page for a status, and for 200 the request in it, harmless as HTML: ASCII without
    markup."""
    name, _, text = status.partition(": ")
    request = request.replace(b"\r", b"").replace(b"&", b"&amp;").replace(b"<", b"&lt;")
    harmless = re.sub(rb"[^\n -~]", lambda byte: b"\\x%02x" % ord(byte[0]), request)
    page = (f'<!DOCTYPE html>\n<html lang="en">\n<title>{name}</title>\n'
            f'<link rel="icon" href="data:,">\n<h1>{name}</h1>\n<p>{text}</p>\n<pre>')
    return page.encode() + (harmless if status == OK else b"") + b"</pre>\n"


def write_head(status, kind, size, request):
    """Returns the head of an answer. RFC 9112 4, RFC 9110 6.6.1 (the date)"""
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
    head = (f"HTTP/1.1 {status.partition(':')[0]}\r\nDate: {date}\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {size}\r\nConnection: close\r\n").encode()
    if status.startswith("405"):
        head += b"Allow: GET, HEAD\r\n"
    if status == MOVED:
        path, mark, query = request.split(b" ")[1].partition(b"?")
        name = path.split(b"/")[-1]  # relative to its parent: //name would be another host
        head += b"Location: ./%s/%s\r\n" % (name, mark + query)
    return head + b"\r\n"


def send_answer(client, answer, file, left):
    """Sends answer, and then left bytes of a file, in parts; in front of the first part stands the
    head: one send for both. Returns None, or what went wrong. os.read, socket.socket.send"""
    ready, room = True, select.poll()
    room.register(client, select.POLLOUT)
    client.setblocking(False)
    try:
        while answer or left:
            part = os.read(file, min(left, ANSWER_SIZE - len(answer))) if left else b""
            if left and not part:
                return "the file is shorter than it was"
            left -= len(part)
            view = memoryview(answer + part)
            while view:
                try:
                    view = view[client.send(view):]
                    ready = True
                except BlockingIOError:
                    if not ready:
                        return "nothing was taken for too long"
                    # poll wants much room, a third of the buffer: after its deadline, send decides
                    ready = room.poll(1000 * (SILENCE if len(busy) < pool else HURRY))
            answer = b""
    except OSError as error:
        return error.strerror
    return None


def serve_client(client, address):
    """Answers one request. Returns 0, or 1 after a failure that it has reported. RFC 9112"""
    peer = address_name(address)
    request, status, more = receive_head(client)
    file, kind, length = None, None, 0
    if status == LEFT_EARLY:
        return report("recv", peer, LEFT_EARLY)
    if status is None:
        status = check_head(request)
    if status is None:
        status, file, kind, length = open_target(request)

    page = write_page(status, request) if file is None else b""
    if file is None:
        kind, length = "text/html; charset=utf-8", len(page)
    answer = write_head(status, kind, length, request)
    if request.startswith(b"HEAD "):  # the head tells the length, but no body comes
        length, page = 0, b""
    problem = send_answer(client, answer + page, file, 0 if file is None else length)
    if file is not None:
        os.close(file)
    if problem:
        return report("send", peer, problem)
    line = re.split(rb"[\r\n]", request)[0]
    with logging:
        say(f"{peer} {shown(line)}: {status[:3]}, {length} bytes")
    if (more or BODY.search(request) or length > ANSWER_SIZE
            or (status[0] >= "4" and status != TOO_SLOW)):
        # to close with bytes unread is a reset, which may destroy the answer: RFC 9112 9.6
        end = time.monotonic() + LINGER
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_WR)
            while (left := end - time.monotonic()) > 0:
                client.settimeout(left)
                if not client.recv(ANSWER_SIZE):
                    break
    return 0


def work(listener, name):
    """What each thread of the pool runs: visitor after visitor, for ever."""
    while True:
        # 4. accept: the client gets a socket of its own
        try:
            client, address = listener.accept()
        except OSError as error:
            accept_failed(name, error)
            continue

        # 5. talk
        busy.add(client)
        serve_client(client, address)
        busy.remove(client)

        # 6. close
        client.close()


def main():
    global root, pool
    host, port, folder = read_arguments(b"127.0.0.1", b"8080", None)
    with contextlib.suppress(OSError):
        while (spare := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(spare)  # standard streams that were closed end there now, not at a visitor
    if folder is not None:
        try:
            root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            return report("open", os.fsdecode(folder), error.strerror)
    stop_on_signals()

    # 1. create, 2. bind, 3. listen
    listener = open_listener(host, port)
    name = address_name(listener.getsockname())
    threading.stack_size(STACK_SIZE)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = DESCRIPTORS if most == resource.RLIM_INFINITY else min(most, DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, most))
    pool = max(1, (limit - 16) // 3)
    with logging:  # nobody prints before the first line
        for started in range(pool):
            try:
                threading.Thread(target=work, args=(listener, name), daemon=True).start()
            except RuntimeError as error:
                report("pthread_create", name, error)
                pool = started
                break
        if pool == 0:
            return 1
        say(f"listening on {name}")
    while True:
        signal.pause()  # the signals end it


if __name__ == "__main__":
    sys.exit(main())
