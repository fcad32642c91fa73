"""framing_server.py - lesson 06, messages in a stream: ten of them, received in three ways.

Run:         python3 framing_server.py [HOST [PORT]]
Talk to it:  python3 framing_client.py, in a second terminal
New:         TCP keeps the bytes and their order, not the messages' ends: a length before each,
             or a newline behind it, brings them back, and tells a whole talk from a broken one
Not yet:     a text with a newline in it cannot go by newline
"""
import os
import re
import signal
import socket
import sys
import threading

LOWEST_PORT = 0  # 0: the kernel picks a free port
BACKLOG = 128  # connections that may wait for accept
RECEIVE_SIZE = 16  # bytes that one recv takes at most: few, so that messages are split
MESSAGE_SIZE = 1024  # bytes that a message may have: a peer's length is not to be believed
PROGRAM = "framing_server"
USAGE = """usage: framing_server [HOST [PORT]]    (127.0.0.1 19536)
PORT 0 to 65535, 0: any free one"""


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


# ---- The lesson ----


def broken(peer, messages):
    """Says that the client's messages broke off, and after how many. Returns 1."""
    return report("recv", peer, f"the client left after {messages} whole messages")


def too_long(peer):
    """Says that a message has more than MESSAGE_SIZE bytes. Returns 1."""
    return report("recv", peer, "a message of more than 1024 bytes")


def print_message(number, message):
    """Prints a message that came whole."""
    say(f"  message {number}: {len(message)} bytes: {shown(message)}")


def receive_exactly(client, count):
    """Receives count bytes, in as many recvs as it takes. Returns them; fewer if the client's bytes
    end before; raises OSError. socket.socket.recv"""
    received = b""
    while len(received) < count and (more := client.recv(count - len(received))):
        received += more
    return received


def as_recv_gives_them(client, peer):
    """The wrong way: takes each recv for a message. Returns 0."""
    recvs = 0
    # looks at the bytes and leaves them there until all have come: a server that was busy
    client.recv(MESSAGE_SIZE, socket.MSG_PEEK | socket.MSG_WAITALL)
    while received := client.recv(RECEIVE_SIZE):
        recvs += 1
        say(f"  recv {recvs}: {len(received)} bytes: {shown(received)}")
    say(f"  the end: {recvs} recvs; whether the client was done, nothing tells")
    return 0


def by_length(client, peer):
    """Four bytes, in network byte order, tell how many bytes the message has; none: the end. Returns
    0, or 1 after a failure that it has reported. int.from_bytes"""
    messages = 0
    while len(length := receive_exactly(client, 4)) == 4:
        size = int.from_bytes(length, "big")
        if size > MESSAGE_SIZE:
            return too_long(peer)
        if size == 0:
            say(f"  the end: {messages} messages")
            return 0
        message = receive_exactly(client, size)
        if len(message) < size:
            break
        messages += 1
        print_message(messages, message)
    return broken(peer, messages)


def by_newline(client, peer):
    """A newline ends each message; an empty one: the end. What came behind the newline is kept for
    the next message. Returns 0, or 1 after a failure that it has reported."""
    messages, kept = 0, b""
    while received := client.recv(RECEIVE_SIZE):
        *lines, kept = (kept + received).split(b"\n")
        for line in lines:
            if not line:
                say(f"  the end: {messages} messages")
                return 0
            if len(line) > MESSAGE_SIZE:
                return too_long(peer)
            messages += 1
            print_message(messages, line)
        if len(kept) > MESSAGE_SIZE:
            return too_long(peer)
    return broken(peer, messages)


WAYS = {"as recv gives them": as_recv_gives_them, "by length": by_length, "by newline": by_newline}


def main():
    host, port = read_arguments(b"127.0.0.1", b"19536")
    stop_on_signals()

    # 1. create, 2. bind, 3. listen
    listener = open_listener(host, port)
    name = address_name(listener.getsockname())
    say(f"listening on {name}")

    for way, receive in WAYS.items():
        # 4. accept: a connection for each way
        try:
            client, address = listener.accept()
        except OSError as error:
            return report("accept", name, error.strerror)
        say(f"{way}:")

        # 5. talk
        peer = address_name(address)
        try:
            status = receive(client, peer)
        except OSError as error:
            status = report("recv", peer, error.strerror)

        # 6. close
        client.close()
        if status != 0:
            break
    return status


if __name__ == "__main__":
    sys.exit(main())
