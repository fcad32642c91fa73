"""server.py - lesson 03, many at once: every client has a thread of its own.

Run:         python3 server.py [HOST [PORT [REPLY [GREETING]]]]
Talk to it:  python3 client.py, in a second terminal
New:         threading.Thread: a silent client holds up nobody; a greeting; `exit` ends a talk
Not yet:     a limit to the threads, a deadline for silent clients: lesson 04
"""
import contextlib
import os
import re
import signal
import socket
import sys
import threading
import time

LOWEST_PORT = 0  # 0: the kernel picks a free port
BACKLOG = 128  # connections that may wait for accept
RECEIVE_SIZE = 1024  # bytes that one recv takes at most
REPLY_SIZE = 4096  # bytes that REPLY must stay below
STACK_SIZE = 262144  # bytes of stack for each thread, far less than the usual 8 MiB
BUSY = b"server busy, try again later\n"
PROGRAM = "server"
USAGE = """usage: server [HOST [PORT [REPLY [GREETING]]]]
PORT 0 to 65535, 0: any free one; {} in REPLY: what was received"""


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

logging = threading.Lock()  # a pipe takes a long line in pieces: no other may come between them


def serve_client(client, address, reply, greeting):
    """Talks with one client. Returns 0, or 1 after a failure that it has reported. recv, sendall"""
    peer = address_name(address)
    with logging:
        say(f"{peer} connected")
    try:
        if greeting:
            client.sendall(greeting)
    except OSError as error:
        return report("send", peer, error.strerror)
    try:
        while received := client.recv(RECEIVE_SIZE):
            with logging:
                say(f"{peer} sent {len(received)} bytes: {shown(received)}")
            if received == b"exit":
                break
            try:
                client.sendall(reply.replace(b"{}", received, 1))
            except OSError as error:
                return report("send", peer, error.strerror)
    except OSError as error:
        return report("recv", peer, error.strerror)
    with logging:
        say(f"{peer} finished")
    return 0


def client_thread(client, *details):
    """What each thread runs. Closes the client at the end."""
    serve_client(client, *details)
    client.close()


def main():
    host, port, reply, greeting = read_arguments(b"127.0.0.1", b"19534", b"Echo: {}", b"")
    if len(reply) >= REPLY_SIZE:
        say(USAGE, to=2)
        return 2
    stop_on_signals()

    # 1. create, 2. bind, 3. listen
    listener = open_listener(host, port)
    name = address_name(listener.getsockname())
    say(f"listening on {name}")

    threading.stack_size(STACK_SIZE)
    while True:
        # 4. accept: the client gets a socket of its own
        try:
            client, address = listener.accept()
        except OSError as error:
            accept_failed(name, error)
            continue

        # 5. talk, in a thread, which closes at the end
        details = client, address, reply, greeting
        try:
            threading.Thread(target=client_thread, args=details, daemon=True).start()
        except (RuntimeError, MemoryError) as error:
            report("pthread_create", name, str(error) or "out of memory")
            with contextlib.suppress(OSError):
                client.sendall(BUSY)

            # 6. close
            client.close()


if __name__ == "__main__":
    sys.exit(main())
