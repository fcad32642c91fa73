"""framing_client.py - lesson 06, messages in a stream: ten of them, sent in three ways.

Run:         python3 framing_client.py [HOST [PORT]]
Talk to it:  python3 framing_server.py, first, in another terminal
New:         a length before each message, or a newline behind it; the end is a message too
Not yet:     an answer that says which messages were taken
"""
import errno
import os
import signal
import socket
import sys
import time

LOWEST_PORT = 1  # nobody listens on port 0
PATIENCE = 5  # seconds to wait for a silent server
# the last, which is empty, is the end
MESSAGES = [b"one", b"two", b"three", b"four", b"five", b"six", b"seven", b"eight", b"nine", b"ten", b""]
PROGRAM = "framing_client"
USAGE = """usage: framing_client [HOST [PORT]]    (127.0.0.1 19536)
PORT 1 to 65535"""


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


def as_it_is(message):
    """Each way returns one message as it goes over the wire."""
    return message


def with_length(message):
    """The message behind its length, four bytes in network byte order. int.to_bytes"""
    return len(message).to_bytes(4, "big") + message


def with_newline(message):
    """The message, and a newline behind it."""
    return message + b"\n"


def send_messages(server, frame):
    """Sends the messages back to back, a send for each, and waits until the server has closed, for
    5 s, if it talks about twice that. Returns the bytes sent; raises OSError. socket.socket.shutdown"""
    total = 0
    for message in MESSAGES:
        server.sendall(frame(message))
        total += len(frame(message))
    server.shutdown(socket.SHUT_WR)
    deadline = time.monotonic() + PATIENCE
    while server.recv(1024) and time.monotonic() < deadline:
        pass  # what it says: unread, that would make of our close a reset
    return total


WAYS = {"as they are": as_it_is, "each behind its length": with_length,
        "each with a newline": with_newline}


def main():
    host, port = read_arguments(b"127.0.0.1", b"19536")
    if sys.stdout is None or sys.stderr is None:  # closed: the socket would take its descriptor
        return report("write", "standard output", os.strerror(errno.EBADF))
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback

    for way, frame in WAYS.items():
        # 1. create, 2. connect
        server, peer = connect_to_server(host, port)

        # 3. send, 4. receive the end
        try:
            total = send_messages(server, frame)
        except OSError as error:
            return report("send", peer, why(error))
        if error := say(f"sent {len(MESSAGES) - 1} messages, {way}: {total} bytes"):
            return report("write", "standard output", error.strerror)

        # 5. close
        server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
