"""client.py - lesson 04, HTTP: fetches what a URL names and prints the whole response.

Run:         python3 client.py [URL]      (http://HOST[:PORT][/PATH][?QUERY])
Talk to it:  server.py, or any server of the web that still speaks http
New:         a request is text; the response says itself where it ends, and may be cut short
Not yet:     https, which is the same text in an encrypted layer, TLS
"""
import errno
import os
import re
import signal
import socket
import sys
import time

RECEIVE_SIZE = 262144  # bytes that one recv takes at most: 1024 would cost 2.6 times as long
HEAD_SIZE = 262144  # bytes that the head of a response may have
LINE_SIZE = 1024  # bytes of a line that matter: status, Content-Length and so on
PATIENCE = 10  # seconds to wait for a silent server
PROGRAM = "client"
USAGE = """usage: client [URL]    (http://127.0.0.1:8080/)
URL http://HOST[:PORT][/PATH][?QUERY]"""


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


# ---- The lesson ----

URL = re.compile(rb"(?i)http://(\[[^]/?#]+\]|[^][:/?#]+)(?::([0-9]*))?([/?#].*)?\Z", re.S)
STATUS_LINE = re.compile(rb"HTTP/... ([0-9]{3}(?![0-9]).*)", re.S)


def parse_url(url):
    """Takes a URL apart. Returns host, port and the rest, and None; or what is wrong with it.
    RFC 3986 3"""
    name = re.split(rb"[/?#]", url[7:])[0]
    parts = URL.match(url)
    wrong = None
    if re.search(rb"[\0-\x1f\x7f]", url):
        wrong = "a control character could forge a second request"
    elif url[:8].lower() == b"https://":
        wrong = "https needs TLS, an encrypting layer between TCP and HTTP; curl has it"
    elif url[:7].lower() != b"http://":
        wrong = "a URL must begin with http://"
    elif b"@" in name:
        wrong = "no user name or password: they would travel readable for everyone"
    elif not re.match(rb"(\[[^]]{1,255}\]|[^][:]{1,255}(?=:|\Z))", name):
        wrong = "no host, or none of at most 255 bytes; an IPv6 address stands in [ ]"
    elif not parts or len(parts[2] or b"") > 5 or not 1 <= int(parts[2] or 80) <= 65535:
        wrong = "PORT is a number from 1 to 65535"
    if wrong:
        return None, None, None, wrong
    return parts[1], parts[2] or b"80", parts[3] or b"", None


def write_request(host, port, rest):
    """Returns the request for a URL: what must not stand in a request becomes %XX, and the fragment
    stays here. RFC 9112 3, RFC 3986 2.1"""
    path = rest.partition(b"#")[0]
    path = path if path.startswith(b"/") else b"/" + path
    path = re.sub(rb'[ "<>\\^`{|}\x7f-\xff]', lambda byte: b"%%%02X" % ord(byte[0]), path)
    name = host if port == b"80" else host + b":" + port
    return (b"GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nUser-Agent: sockets-course/4\r\n\r\n"
            % (path, name))


class Response:
    """Where in the response the next byte stands, and what is known of it."""

    def __init__(self):
        self.part, self.problem = "status", None
        self.left, self.head, self.line, self.status = None, 0, b"", b""
        self.chunked = False

    def complain(self, problem):
        """Remembers a problem; what still comes is only printed."""
        self.problem, self.part = problem, "until close"

    def follow(self, data):
        """Follows the response through its next bytes. Returns how many of them belong to it."""
        used = 0
        while used < len(data) and self.part != "done":
            if self.part == "until close":
                return len(data)
            if self.part in ("body", "chunk"):
                part = min(self.left, len(data) - used)
                used += part
                self.left -= part
                if self.left == 0:
                    self.part = "done" if self.part == "body" else "chunk end"
                continue
            end = data.find(b"\n", used)
            piece = data[used:end + 1 if end != -1 else None]
            used += len(piece)
            self.line = (self.line + piece)[:LINE_SIZE]
            if self.part in ("status", "header"):
                self.head += len(piece)
                if self.head > HEAD_SIZE:
                    self.complain("its head has no end")
            if end != -1:
                line, self.line = re.split(rb"[\r\n]", self.line)[0], b""
                self.take_line(line.replace(b"\0", b" "))  # as a blank: RFC 9110 5.5
        return used

    def take_line(self, line):
        """Understands a line of the response that is not part of its body. RFC 9112 4 to 7"""
        if self.part == "status":
            valid = STATUS_LINE.match(line)
            self.status = valid[1] if valid else b""
            self.part, self.left, self.chunked = "header", None, False
            if not valid:
                self.complain("this is no HTTP response")
        elif self.part == "header" and line:
            name, colon, value = line.partition(b":")
            if name.lower() + colon == b"content-length:":
                before, self.left = self.left, read_length(value, 10)
                if self.left is None or before not in (None, self.left):
                    self.complain("its Content-Length is none")
            elif name.lower() + colon == b"transfer-encoding:":
                self.chunked = value.strip(b" \t").lower().endswith(b"chunked")
        elif self.part == "header":
            if self.status[:1] == b"1":
                self.part = "status"  # 100 Continue: more to come
            elif self.status[:3] in (b"204", b"304"):
                self.part = "done"
            elif self.chunked:
                self.part = "chunk size"
            elif self.left is None:
                self.part = "until close"
            else:
                self.part = "body" if self.left > 0 else "done"
        elif self.part == "chunk size":
            self.left = read_length(line.partition(b";")[0], 16)
            self.part = "trailer" if self.left == 0 else "chunk"
            if self.left is None:
                self.complain("a chunk without its size")
        elif self.part == "chunk end":
            self.part = "chunk size"
            if line:
                self.complain("a chunk longer than its size")
        elif self.part == "trailer" and not line:
            self.part = "done"

    def missing(self):
        """Returns what is missing in a response that is over, None if nothing is. RFC 9112 8"""
        if self.problem or self.part in ("done", "until close"):
            return self.problem
        if self.part == "status" and self.head == 0:
            return "the server closed without an answer"
        if self.part == "status" and self.line[:5] != b"HTTP/"[:len(self.line)]:
            return "this is no HTTP response"
        if self.part in ("status", "header"):
            return "its head has no end"
        return ("fewer bytes than its Content-Length" if self.part == "body"
                else "its last chunk is missing")


def read_length(digits, base):
    """Reads the digits of a length in base 10 or 16. Returns None if these are none."""
    match = re.match(rb"[ \t]*([0-9A-Fa-f]+)[ \t]*\Z" if base == 16 else rb"[ \t]*([0-9]+)[ \t]*\Z", digits)
    length = int(match[1], base) if match and len(match[1].lstrip(b"0")) < 20 else 2 ** 63
    return length if length < 2 ** 63 else None


def show(data):
    """Writes bytes to standard output: as they are, but to a terminal, which they could drive, as
    text. Returns None, or the error. os.write"""
    if os.isatty(1):
        data = "\n".join(shown(line) for line in data.split(b"\n")).encode("utf-8", "surrogateescape")
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(1, view):]
    except OSError as error:
        return error


def reason(error):
    """Returns the error in words: the one that settimeout raises has none of the system's."""
    return error.strerror or "silent for 10 seconds"


def connect_to_host(host, port):
    """Returns a socket connected to the first address of the URL's host that answers, and its name,
    or ends the program. socket.getaddrinfo, socket.socket.connect"""
    host = host.strip(b"[]")
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        sys.exit(report("resolve", os.fsdecode(host), error.strerror))
    for family, kind, protocol, _, address in addresses:
        peer = address_name(address)
        say(f"resolved {os.fsdecode(host)}: {peer}", to=2)
        try:
            server = socket.socket(family, kind, protocol)  # 1. create
            server.settimeout(PATIENCE)
            server.connect(address)  # 2. connect
            say(f"connected to {peer}", to=2)
            return server, peer
        except OSError as error:
            words = reason(error)
    sys.exit(report("connect", peer, words))


def fetch(server, peer, request):
    """Sends the request and prints the response, however large, as it arrives. Returns 0, or 1
    after a failure that it has reported."""
    response, problem, total, start = Response(), None, 0, time.monotonic()
    try:
        # 3. send
        server.sendall(request)

        # 4. receive, until the response is complete or the server closes
        while response.part != "done" and (received := server.recv(RECEIVE_SIZE)):
            size = response.follow(received)
            total += size
            if error := show(received[:size]):
                return report("write", "standard output", error.strerror)
    except OSError as error:
        problem = reason(error)
    problem = problem or response.missing()
    if response.status:
        say(f"status {shown(response.status)}", to=2)
    say(f"received {total} bytes in {time.monotonic() - start:.3f} seconds", to=2)
    return report("recv", peer, problem) if problem else 0


def main():
    given = [os.fsencode(argument) for argument in sys.argv[1:]]
    url = given[0] if given else b"http://127.0.0.1:8080/"
    wants_help = url in (b"-h", b"--help")
    if wants_help or len(given) > 1 or url.startswith(b"-"):
        say(USAGE, to=1 if wants_help else 2)
        return 0 if wants_help else 2
    host, port, rest, problem = parse_url(url)
    if problem:
        report("read", "the URL", problem)
        return 2
    if sys.stdout is None:  # closed: the socket would take its descriptor
        return report("write", "standard output", os.strerror(errno.EBADF))
    if sys.stderr is None:  # the same, with nobody to tell it
        return 1
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback

    # 1. create, 2. connect
    server, peer = connect_to_host(host, port)

    # 3. send, 4. receive
    status = fetch(server, peer, write_request(host, port, rest))

    # 5. close
    server.close()
    return status


if __name__ == "__main__":
    sys.exit(main())
