"""client.py - lesson 05, datagrams: each line is one, each answer another.

Run:         python3 client.py [HOST [PORT]]      (Ctrl-D ends it; an empty line is an empty
             datagram)
Talk to it:  python3 server.py, in another terminal
New:         a datagram may get lost, and nobody says so: wait 1 s, send again, 3 times at most
Not yet:     which sending was answered, and how often the server took the line, the bare text
             does not tell: numbered_client.py
"""
import errno
import os
import re
import signal
import socket
import sys

LOWEST_PORT = 1  # nobody listens on port 0
RECEIVE_SIZE = 1024  # bytes of a datagram that we take at most; the largest has 65,507
PATIENCE = 1  # seconds to wait for the answer
TRIES = 3  # how often a line is sent at most
PROGRAM = "client"
USAGE = """usage: client [HOST [PORT]]    (127.0.0.1 19535)
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


def print_answer(peer, buffer, length):
    """Prints an answer, of which the first RECEIVE_SIZE bytes are in the buffer. Returns 0,
    or 1 after a failure that it has reported: a cut answer is one."""
    if error := say(shown(bytes(buffer[:min(length, RECEIVE_SIZE)]))):
        return report("write", "standard output", error.strerror)
    if length > RECEIVE_SIZE:  # the rest of it is gone: no recv will bring it
        return report("recv", peer, f"an answer of {AT_LEAST}{length} bytes, cut off after "
                                    f"{RECEIVE_SIZE}")
    return 0


def exchange(addresses, message):
    """Sends a line and prints the answer. Returns 0, or 1 after a failure that it has reported.
    Each line has a socket of its own: an answer that comes too late for its line goes to a port
    that is gone, and is not taken for the answer to the next one, unless by rare chance the kernel
    hands out the same port again. socket.socket.connect, send, recv_into"""
    buffer = bytearray(ROOM)
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        peer, operation = address_name(address), "connect"
        try:
            with socket.socket(family, kind, protocol) as server:  # 1. create, 5. close
                server.settimeout(PATIENCE)
                # 2. connect: sends nothing, but from now on only this address is heard, and a port
                # where nobody is refuses (ICMP), where the system tells
                server.connect(address)
                for _ in range(TRIES):
                    # 3. send: the whole line in one datagram; the kernel refuses what is too long
                    operation = "send"
                    server.send(message)

                    # 4. receive: a whole datagram, perhaps an empty one
                    operation = "recv"
                    try:
                        length = server.recv_into(buffer, ROOM, FLAGS)
                    except socket.timeout as error:
                        failure = error
                        continue
                    del addresses[:number]  # the next line begins with the one that answered
                    return print_answer(peer, buffer, length)
        except OSError as error:
            failure = error
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
    status = 0

    # 1. create, 2. connect, 3. send, 4. receive, 5. close: all of it for each line
    try:
        while status == 0:
            if on_terminal:
                say("message (Ctrl-D ends): ", end="")
            line = sys.stdin.buffer.readline()
            if on_terminal and not line:
                say("")  # so that the shell's prompt gets a line of its own
            if not line:
                break
            status = exchange(addresses, line.removesuffix(b"\n"))
    except OSError as error:
        status = report("read", "standard input", error.strerror)
    except MemoryError:
        status = report("read", "standard input", os.strerror(errno.ENOMEM))
    return status


if __name__ == "__main__":
    sys.exit(main())
