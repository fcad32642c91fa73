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

RECEIVE_SIZE = 262144  # bytes of one recv at most: 1024 would cost 2.6 times as long
HEAD_SIZE = 262144  # bytes that the head of a response may have
URL_SIZE = 8192  # bytes that a URL may have: more than most servers take
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


def why(error):
    """Returns the error in words: the one that settimeout raises has none of the system's."""
    return error.strerror or f"no answer within {PATIENCE} seconds: is it busy?"


def connect_to_server(host, port):
    """Returns a socket connected to the first address of HOST that answers, and its name; if none
    does, ends the program with exit status 1. socket.getaddrinfo, socket.socket.connect"""
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        sys.exit(report("resolve", os.fsdecode(host), error.strerror))
    for family, kind, protocol, _, address in addresses:
        peer = address_name(address)
        try:
            server = socket.socket(family, kind, protocol)  # 1. create
            server.settimeout(PATIENCE)
            server.connect(address)  # 2. connect
            return server, peer
        except OSError as error:
            reason = why(error)
    sys.exit(report("connect", peer, reason))


# ---- The lesson ----

HOST_PORT_PATH = re.compile(rb"(\[[^][/?#]{1,255}\]|[^][:/?#]{1,255})(?::([0-9]{1,5}))?([/?#].*)?")


def write_request(url):
    """Returns host and port of a URL, and the request: what must not stand in one becomes %XX, a
    fragment is left out. Raises ValueError with what is wrong. RFC 3986, RFC 9112 3"""
    if url[:7].lower() != b"http://":
        raise ValueError("only http://; https needs TLS, which encrypts below HTTP")
    if len(url) > URL_SIZE:
        raise ValueError("longer than 8192 bytes, more than most servers take")
    if re.search(rb"[\0-\x1f\x7f]", url):
        raise ValueError("a control character could forge a second request")
    if b"@" in re.split(rb"[/?#]", url[7:])[0]:
        raise ValueError("no user name or password: anyone could read them")
    match = HOST_PORT_PATH.fullmatch(url, 7)
    port = int(match[2] or 80) if match else 0
    if not 1 <= port <= 65535:
        raise ValueError("HOST is a name, IPv4 or [IPv6] address, PORT 1 to 65535")

    path = (match[3] or b"").partition(b"#")[0]
    path = path if path.startswith(b"/") else b"/" + path
    path = re.sub(rb'[ "<>\\^`{|}\x80-\xff]', lambda byte: b"%%%02X" % ord(byte[0]), path)
    authority = match[1] if port == 80 else match[1] + b":" + match[2]
    return match[1].strip(b"[]"), port, (
        b"GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nUser-Agent: lesson-04\r\n\r\n" % (path, authority))


def print_bytes(data):
    """Prints bytes, on a terminal as text that cannot drive it, or ends the program."""
    if os.isatty(1):
        data = "\n".join(shown(line) for line in data.split(b"\n")).encode("utf-8", "surrogateescape")
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(1, view):]
    except OSError as error:
        sys.exit(report("write", "standard output", error.strerror))


class Response:
    """A response, and how far it has been taken. Its bytes are counted from 0."""

    def __init__(self, server):
        self.server, self.code = server, 0  # code: the status, 0 if none came
        self.received, self.start, self.end = b"", 0, 0  # received holds the bytes from start to end
        self.taken, self.limit = 0, HEAD_SIZE  # so many bytes are taken; lines may reach up to limit

    def more(self):
        """Receives more bytes and prints them. Returns false if no more come. socket.socket.recv"""
        received = self.server.recv(RECEIVE_SIZE)
        if not received:
            return False
        print_bytes(received)
        self.received, self.start, self.end = received, self.end, self.end + len(received)
        return True

    def take_line(self):
        """Takes a line. Returns it without its end, and false if that does not come, or beyond limit."""
        line = bytearray()
        while line[-1:] != b"\n" and self.taken < self.limit and (self.taken < self.end or self.more()):
            line.append(self.received[self.taken - self.start])
            self.taken += 1
        text = re.split(rb"[\r\n]", line)[0].replace(b"\0", b" ")  # a blank: RFC 9110 5.5
        return text, line[-1:] == b"\n"

    def take_body(self, count):
        """Takes count bytes of the body. Returns false if the server closes before their end."""
        while self.end - self.taken < count:
            if not self.more():
                return False
        self.taken += count
        self.limit = self.taken + HEAD_SIZE
        return True

    def take_chunks(self):
        """Takes a body in chunks: each a line with its size, so many bytes, an empty line; the last has
        size 0, a trailer may follow. Returns false if that is not what comes. RFC 9112 7.1"""
        size = 1
        while size > 0:
            line, whole = self.take_line()
            match = re.match(rb"([0-9A-Fa-f]+)(?=[; \t]|\Z)", line)
            if not whole or not match:
                return False
            size = int(match[1], 16)
            if size > 0 and not (self.take_body(size) and self.take_line() == (b"", True)):
                return False
        while line:
            line, whole = self.take_line()
            if not whole:
                return False
        return True

    def take_all(self):
        """Takes the whole response. Returns None, or what is wrong with it. RFC 9112 4 to 8"""
        length, chunked = None, False
        while self.code < 200:  # 100 Continue: the head of the true response follows
            line, whole = self.take_line()
            if not whole and not line:
                return "the server closed without an answer"
            match = re.match(rb"HTTP/... ([0-9]{3})(?![0-9])", line)
            if not match:
                return "this is no HTTP response"
            self.code = int(match[1])
            while line:
                line, whole = self.take_line()
                if not whole:
                    return "its head has no end"
                if self.code < 200:
                    continue
                name, colon, value = line.partition(b":")
                if colon and name.lower() == b"transfer-encoding":
                    chunked = True
                if colon and name.lower() == b"content-length":
                    match = re.fullmatch(rb"\s*([0-9]{1,18})\s*", value)
                    if not match or length not in (None, int(match[1])):
                        return "its Content-Length is no number, or two differ"
                    length = int(match[1])
        if self.code in (204, 304):
            return None
        if chunked:
            return None if self.take_chunks() else "a chunk is damaged, or the last one is missing"
        if length is not None:
            return None if self.take_body(length) else "fewer bytes than its Content-Length"
        while self.more():  # until the server closes
            pass


def main():
    given = [os.fsencode(argument) for argument in sys.argv[1:]]
    url = given[0] if given else b"http://127.0.0.1:8080/"
    wants_help = url in (b"-h", b"--help")
    if wants_help or len(given) > 1 or url.startswith(b"-"):
        say(USAGE, to=1 if wants_help else 2)
        return 0 if wants_help else 2
    try:
        host, port, request = write_request(url)
    except ValueError as problem:
        report("read", "the URL", problem)
        return 2
    if sys.stdout is None or sys.stderr is None:
        return report("write", "standard output", os.strerror(errno.EBADF))  # or the socket would get it
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback

    # 1. create, 2. connect
    server, peer = connect_to_server(host, port)
    say(f"resolved {os.fsdecode(host)}, connected to {peer}", to=2)
    response, problem, then = Response(server), None, time.monotonic()

    # 3. send
    try:
        server.sendall(request)
    except OSError as error:
        return report("send", peer, why(error))

    # 4. receive, until the response is complete or the server closes
    try:
        problem = response.take_all()
        if problem:
            response.take_body(HEAD_SIZE)  # what else comes; it may have no end
    except OSError as error:
        problem = problem or why(error)  # the first counts
    if os.isatty(1):
        say("")  # a page need not end its last line
    if response.code:
        say(f"status {response.code}", to=2)
    say(f"received {response.end} bytes in {time.monotonic() - then:.3f} seconds", to=2)

    # 5. close
    server.close()
    return report("recv", peer, problem) if problem else 0


if __name__ == "__main__":
    sys.exit(main())
