"""numbered_client.py - lesson 05, datagrams with a number: only the answer to this line counts.

Run:         python3 numbered_client.py [HOST [PORT]]      (Ctrl-D ends it)
Talk to it:  python3 numbered_server.py, in another terminal; ../scripts/lossy_relay.py between
New:         a header: 4 bytes before the text, a number in network byte order
Not yet:     it counts from 1, so a forger can guess the number; real protocols begin anywhere
"""
import errno
import os
import re
import signal
import socket
import sys
import time

LOWEST_PORT = 1  # nobody listens on port 0
RECEIVE_SIZE = 1024  # bytes of a datagram that we take at most; the largest has 65,507
HEADER_SIZE = 4  # of these: the number
PATIENCE = 1  # seconds to wait for the answer
TRIES = 3  # how often a line is sent at most
PROGRAM = "numbered_client"
USAGE = """usage: numbered_client [HOST [PORT]]    (127.0.0.1 19535)
PORT 1 to 65535; sends each line of standard input"""
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


def find_addresses(host, port):
    """Returns the addresses of HOST; if it has none, ends the program with exit status 1. Nothing
    tells yet whether a server is there. socket.getaddrinfo"""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except socket.gaierror as error:
        sys.exit(report("resolve", os.fsdecode(host), error.strerror))


def reason(error):
    """Returns the error in words: the one that settimeout raises has none of the system's."""
    return error.strerror or "no answer, sent 3 times, 1 second each"


# ---- The lesson ----


server = None  # the socket, once there is one


def print_answer(peer, buffer, length):
    """Prints an answer without its number; its first RECEIVE_SIZE bytes are in the buffer. Returns
    0, or 1 after a failure that it has reported: a cut answer is one."""
    if error := say(shown(bytes(buffer[HEADER_SIZE:min(length, RECEIVE_SIZE)]))):
        return report("write", "standard output", error.strerror)
    if length > RECEIVE_SIZE:  # the rest of it is gone: no recv will bring it
        return report("recv", peer, f"an answer of {AT_LEAST}{length} bytes, cut off after "
                                    f"{RECEIVE_SIZE}")
    return 0


def receive_answer(header, buffer, peer):
    """Waits PATIENCE seconds in all for the answer with this header, and drops every other. Returns
    the answer's length, or raises socket.timeout when none came. recv_into, settimeout"""
    deadline = time.monotonic() + PATIENCE
    while (left := deadline - time.monotonic()) > 0:
        server.settimeout(left)
        length = server.recv_into(buffer, ROOM, FLAGS)
        if length >= HEADER_SIZE and buffer[:HEADER_SIZE] == header:
            return length
        report("recv", peer, f"dropped what is no answer to number {int.from_bytes(header, 'big')}")
    raise socket.timeout


def exchange_numbered(addresses, message, count):
    """Sends a line, the count'th, and prints the answer. Returns 0, or 1 after a failure that it
    has reported. One socket serves for all lines: the number tells whose answer it is.
    socket.socket.connect, send, int.to_bytes"""
    global server
    header, buffer = (count % 2**32).to_bytes(HEADER_SIZE, "big"), bytearray(ROOM)
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        peer, operation = address_name(address), "connect"
        try:
            if server is None:
                server = socket.socket(family, kind, protocol)  # 1. create
                server.connect(address)  # 2. connect
            for _ in range(TRIES):
                # 3. send: number and line together in one datagram, the same each time
                operation = "send"
                server.settimeout(None)
                server.send(header + message)

                # 4. receive
                operation = "recv"
                try:
                    length = receive_answer(header, buffer, peer)
                except socket.timeout as error:
                    failure = error
                    continue
                del addresses[:number]  # the next line begins with the one that answered
                return print_answer(peer, buffer, length)
        except OSError as error:
            failure = error
        if server is not None:
            server.close()
            server = None
    return report(operation, peer, reason(failure))


def main():
    host, port = read_arguments(b"127.0.0.1", b"19535")
    if sys.stdin is None:  # closed: the socket would take its descriptor
        return report("read", "standard input", os.strerror(errno.EBADF))
    if sys.stdout is None or sys.stderr is None:
        return report("write", "standard output", os.strerror(errno.EBADF))
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    on_terminal = sys.stdin.isatty()
    addresses = find_addresses(host, port)
    status = count = 0

    # 1. create, 2. connect at the first line, 3. send, 4. receive, again and again
    try:
        while status == 0:
            if on_terminal:
                say("message (Ctrl-D ends): ", end="")
            line = sys.stdin.buffer.readline()
            if on_terminal and not line:
                say("")  # so that the shell's prompt gets a line of its own
            if not line:
                break
            count += 1
            status = exchange_numbered(addresses, line.removesuffix(b"\n"), count)
    except OSError as error:
        status = report("read", "standard input", error.strerror)
    except MemoryError:
        status = report("read", "standard input", os.strerror(errno.ENOMEM))

    # 5. close
    if server is not None:
        server.close()
    return status


if __name__ == "__main__":
    sys.exit(main())
