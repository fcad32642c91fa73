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

HOST = re.compile(rb"(?:\[([^]/?#]{1,255})\]|([^][:/?#]{1,255}))(?=[:/?#]|\Z)", re.S)
PORT = re.compile(rb"(?::0*([0-9]{1,5})|:?)(?=[/?#]|\Z)")
STATUS_LINE = re.compile(rb"HTTP/... ([0-9]{3})(?![0-9])", re.S)


class Refused(Exception):
    """What is wrong with a URL, or with a response."""


def parse_url(url):
    """Takes a URL apart. Returns host and port, what the header Host says of both, and what follows
    them; raises Refused with what is wrong. RFC 3986 3"""
    if re.search(rb"[\0-\x1f\x7f]", url):
        raise Refused("a control character could forge a second request")
    if url[:8].lower() == b"https://":
        raise Refused("https needs TLS, which encrypts below HTTP; curl has it")
    if url[:7].lower() != b"http://":
        raise Refused("a URL must begin with http://")
    if len(url) > URL_SIZE:
        raise Refused("longer than 8192 bytes, more than most servers take")
    if b"@" in re.split(rb"[/?#]", url[7:])[0]:
        raise Refused("no user name or password: they would travel readable for everyone")
    host = HOST.match(url, 7)
    if not host:
        raise Refused("no host, or none of at most 255 bytes; an IPv6 address stands in [ ]")
    port = PORT.match(url, host.end())
    if not port or not 1 <= int(port[1] or 80) <= 65535:
        raise Refused("PORT is a number from 1 to 65535")
    number = int(port[1] or 80)
    authority = host[0] if number == 80 else b"%s:%d" % (host[0], number)
    return host[1] or host[2], number, authority, url[port.end():]


def write_request(authority, rest):
    """Returns the request for what follows host and port in a URL: what must not stand in a request
    becomes %XX, and the fragment stays here. RFC 9112 3, RFC 3986 2.1"""
    path = rest.partition(b"#")[0]
    path = path if path.startswith(b"/") else b"/" + path
    path = re.sub(rb'[ "<>\\^`{|}\x7f-\xff]', lambda byte: b"%%%02X" % ord(byte[0]), path)
    return (b"GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nUser-Agent: lesson-04\r\n\r\n"
            % (path, authority))


class Response:
    """A response, and how far it has been taken."""

    def __init__(self, server):
        self.server = server
        self.total, self.code = 0, 0  # bytes taken in all; the status, 0 if none came
        self.received, self.printed, self.next = b"", 0, 0  # of received: what is printed, and taken

    def print_taken(self):
        """Prints what is taken, to a terminal as text that cannot drive it, or ends the program."""
        data, self.printed = self.received[self.printed:self.next], self.next
        if os.isatty(1):
            data = "\n".join(shown(line) for line in data.split(b"\n")).encode("utf-8", "surrogateescape")
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(1, view):]
        except OSError as error:
            sys.exit(report("write", "standard output", error.strerror))

    def more(self):
        """If all that came is taken, prints it and receives more. Returns false when no more comes."""
        if self.next < len(self.received):
            return True
        self.print_taken()
        received = self.server.recv(RECEIVE_SIZE)
        if received:
            self.received, self.printed, self.next = received, 0, 0
        return received != b""

    def take_line(self):
        """Takes a line. Returns it, and whether its end is among HEAD_SIZE bytes."""
        line = bytearray()
        while line[-1:] != b"\n" and len(line) < HEAD_SIZE and self.more():
            line.append(self.received[self.next])
            self.next += 1
            self.total += 1
        text = re.split(rb"[\r\n]", line)[0].replace(b"\0", b" ")  # a blank: RFC 9110 5.5
        return text, line[-1:] == b"\n"

    def take_body(self, count):
        """Takes count bytes of the body. Returns false if the server closed before their end."""
        while count > 0 and self.more():
            part = min(count, len(self.received) - self.next)
            self.next += part
            self.total += part
            count -= part
        return count == 0

    def take_chunks(self):
        """Takes a body in chunks, each a line with its size, so many bytes, and the end of a line; the
        last has size 0, a trailer may follow. Raises Refused. RFC 9112 7.1"""
        unfinished, size = Refused("its last chunk is missing"), None
        while size != 0:
            line, whole = self.take_line()
            if not whole:
                raise unfinished
            size = read_length(line.partition(b";")[0], 16)
            if size is None:
                raise Refused("a chunk without its size")
            line, whole = self.take_line() if self.take_body(size) else (b"", False)
            if not whole:
                raise unfinished
            if size > 0 and line:
                raise Refused("a chunk longer than its size")
        start = self.total
        while line:
            line, whole = self.take_line()
            if not whole or self.total - start > HEAD_SIZE:
                raise unfinished

    def take_all(self):
        """Takes the whole response. Raises Refused with what is wrong with it. RFC 9112 4 to 8"""
        while self.code < 200:  # 100 Continue: the head of the true response follows
            line, whole = self.take_line()
            if not whole and not line:
                raise Refused("the server closed without an answer")
            if not whole and line[:5] == b"HTTP/":
                raise Refused("its head has no end")
            match = STATUS_LINE.match(line)
            if not match:
                raise Refused("this is no HTTP response")
            self.code, length, coded, chunked = int(match[1]), None, False, False
            while line:
                line, whole = self.take_line()
                if not whole or self.total > HEAD_SIZE:
                    raise Refused("its head has no end")
                name, colon, value = line.partition(b":")
                if name.lower() + colon == b"content-length:":
                    old, length = length, read_length(value, 10)
                    if length is None or old not in (None, length):
                        raise Refused("its Content-Length is none")
                elif name.lower() + colon == b"transfer-encoding:":
                    coded = True  # and the last of its codings counts
                    for coding in re.findall(rb"[^ \t,]+", value):
                        chunked = coding.lower() == b"chunked"
        if self.code in (204, 304):
            return
        if chunked:
            self.take_chunks()
        elif coded or length is None:
            self.take_body(2 ** 63)  # until the server closes
        elif not self.take_body(length):
            raise Refused("fewer bytes than its Content-Length")


def read_length(text, base):
    """Reads the digits of a length in base 10 or 16. Returns None if these are none."""
    digits = rb"[0-9A-Fa-f]" if base == 16 else rb"[0-9]"
    match = re.match(rb"[ \t]*0*(%s{1,19})[ \t]*\Z" % digits, text)
    length = int(match[1], base) if match else 2 ** 63
    return length if length < 2 ** 63 - 1 else None


def fetch(server, peer, request):
    """Sends the request, prints the response as it comes. Returns 0, or 1 after reporting a failure."""
    response, problem, then = Response(server), None, time.monotonic()

    # 3. send
    try:
        server.sendall(request)
    except OSError as error:
        return report("send", peer, why(error))

    # 4. receive, until the response is complete or the server closes
    try:
        try:
            response.take_all()
        except Refused as refused:
            problem = refused
            response.take_body(HEAD_SIZE)  # it may have no end
    except OSError as error:
        problem = why(error)
    response.print_taken()

    if os.isatty(1) and response.total and not response.received[:response.next].endswith(b"\n"):
        say("")
    if response.code:
        say(f"status {response.code}", to=2)
    say(f"received {response.total} bytes in {time.monotonic() - then:.3f} seconds", to=2)
    return report("recv", peer, problem) if problem else 0


def main():
    given = [os.fsencode(argument) for argument in sys.argv[1:]]
    url = given[0] if given else b"http://127.0.0.1:8080/"
    wants_help = url in (b"-h", b"--help")
    if wants_help or len(given) > 1 or url.startswith(b"-"):
        say(USAGE, to=1 if wants_help else 2)
        return 0 if wants_help else 2
    try:
        host, port, authority, rest = parse_url(url)
    except Refused as refused:
        report("read", "the URL", refused)
        return 2
    if sys.stdout is None or sys.stderr is None:
        return report("write", "standard output", os.strerror(errno.EBADF))  # or the socket would get it
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback

    # 1. create, 2. connect
    server, peer = connect_to_server(host, port)
    say(f"resolved {os.fsdecode(host)}, connected to {peer}", to=2)

    # 3. send, 4. receive
    status = fetch(server, peer, write_request(authority, rest))

    # 5. close
    server.close()
    return status


if __name__ == "__main__":
    sys.exit(main())
