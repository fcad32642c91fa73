"""numbered_server.py - lesson 05, datagrams with a number: the answer carries its request's number.

Run:         python3 numbered_server.py [HOST [PORT [REPLY]]]
Talk to it:  python3 numbered_client.py, in a second terminal
New:         a header: 4 bytes before the text, a number in network byte order
Not yet:     it answers a repeated request again; where that must not happen (a payment), the
             server has to remember which numbers it has answered
"""
import os
import re
import signal
import socket
import sys
import threading
import time

LOWEST_PORT = 0  # 0: the kernel picks a free port
RECEIVE_SIZE = 1024  # bytes of a datagram that we take at most; the largest has 65,507
HEADER_SIZE = 4  # of these: the number
REPLY_SIZE = 131072  # bytes that REPLY must stay below
PROGRAM = "numbered_server"
USAGE = """usage: numbered_server [HOST [PORT [REPLY]]]    (127.0.0.1 19535 'Echo: {}')
PORT 0 to 65535, 0: any free one; {} in REPLY: what was received"""
# Linux returns a datagram's real length, also when recv took less of it; elsewhere a byte more than
# we take tells that it was longer, not by how much
ROOM, FLAGS, AT_LEAST = RECEIVE_SIZE + 1, 0, "at least "
if sys.platform == "linux":
    ROOM, FLAGS, AT_LEAST = RECEIVE_SIZE, socket.MSG_TRUNC, ""


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


def open_socket(host, port):
    """Returns a datagram socket bound to the first address of HOST that works; if none does, ends
    the program with exit status 1. socket.getaddrinfo, socket.socket.bind"""
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        sys.exit(report("resolve", os.fsdecode(host), error.strerror))
    for family, kind, protocol, _, address in addresses:
        try:
            server = socket.socket(family, kind, protocol)  # 1. create
            # :: is to serve IPv4 too; no SO_REUSEADDR: here it would let two servers share a port
            if family == socket.AF_INET6:
                server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            server.bind(address)  # 2. bind
            return server
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


said = -10.0  # when receive_failed spoke last, in seconds of the monotonic clock


def receive_failed(name, error):
    """After a failed recvfrom, mostly for want of memory: says why, every 10 s at most, and waits
    100 ms, so that the server neither ends nor spins."""
    global said
    if time.monotonic() - said >= 10:
        report("recvfrom", name, error.strerror)
        said = time.monotonic()
    time.sleep(0.1)


# ---- The lesson ----


def serve_numbered(server, name, reply):
    """Receives one datagram and answers it. Returns 0, or 1 after a failure that it has reported.
    recvfrom_into (recvfrom cannot tell a cut datagram), sendto, int.from_bytes"""
    buffer = bytearray(ROOM)

    # 3. receive: a whole datagram, and who sent it
    try:
        length, address = server.recvfrom_into(buffer, ROOM, FLAGS)
    except OSError as error:
        receive_failed(name, error)
        return 1
    peer = address_name(address)
    received = bytes(buffer[:min(length, RECEIVE_SIZE)])
    if length < HEADER_SIZE:
        say(f"{peer} sent {length} bytes, too few for a number: {shown(received)}")
        return 0  # none of our clients: nothing to answer
    cut = length > RECEIVE_SIZE  # the rest of it is gone: no recv will bring it
    header, line = received[:HEADER_SIZE], received[HEADER_SIZE:]
    say(f"{peer} sent number {int.from_bytes(header, 'big')}, {AT_LEAST if cut else ''}"
        f"{length - HEADER_SIZE} bytes{', cut off after 1020' if cut else ''}: {shown(line)}")

    # 4. send: the number as it came, then the reply
    try:
        server.sendto(header + reply.replace(b"{}", line, 1), address)
    except OSError as error:
        return report("sendto", peer, error.strerror)
    return 0


def main():
    host, port, reply = read_arguments(b"127.0.0.1", b"19535", b"Echo: {}")
    if len(reply) >= REPLY_SIZE:
        say(USAGE, to=2)
        return 2
    stop_on_signals()

    # 1. create, 2. bind: neither listen nor accept, as there are no connections
    server = open_socket(host, port)
    name = address_name(server.getsockname())
    say(f"listening on {name}")

    # 3. receive, 4. send, again and again
    while True:
        serve_numbered(server, name, reply)


if __name__ == "__main__":
    sys.exit(main())
