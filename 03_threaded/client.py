"""client.py - lesson 03, many at once: one thread sends, another prints what arrives.

Run:         python3 client.py [HOST [PORT]]      (exit, an empty line or Ctrl-D ends it)
Talk to it:  python3 server.py, first, in another terminal
New:         a second thread, so that an answer may come at any time, in pieces, or unasked
Not yet:     where one answer ends and the next begins: lessons 04 and 06
"""
import contextlib
import errno
import os
import re
import signal
import socket
import sys
import threading

LOWEST_PORT = 1  # nobody listens on port 0
RECEIVE_SIZE = 1024  # bytes that one recv takes at most
PATIENCE = 5  # seconds to wait for a silent server
PROGRAM = "client"
USAGE = """usage: client [HOST [PORT]]    (127.0.0.1 19534)
PORT 1 to 65535; sends each line of standard input"""


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


def send_all(server, data):
    """Sends all bytes, or raises OSError: some may have arrived. Each send may take PATIENCE;
    sendall would have no more for all of them, too little for a slow reader. socket.socket.send"""
    data = memoryview(data)
    while data:
        try:
            sent = server.send(data)
        except socket.timeout:  # it waits for much room; there may be a little
            try:
                sent = os.write(server.fileno(), data)
            except BlockingIOError:
                raise socket.timeout from None
        data = data[sent:]


# ---- The lesson ----


finished = threading.Event()  # the main thread sends no more


failing = threading.Lock()  # taken once, for good


def fail(operation, object, reason):
    """Says what failed, as report does, and ends the program at once; of two threads only the first
    does. os._exit, because sys.exit would end its own thread alone."""
    failing.acquire()
    os._exit(report(operation, object, reason))


def print_answers(server, peer):
    """The second thread: prints what arrives until the server ends; ends the program with exit
    status 1 when that is too early, or when the server, told that we are done, stays silent."""
    while True:
        last_wait = finished.is_set()
        try:
            received = server.recv(RECEIVE_SIZE)
        except OSError as error:
            if isinstance(error, socket.timeout) and not last_wait:
                continue
            fail("recv", peer, why(error))
        if not received and not finished.is_set():
            fail("recv", peer, "the server closed the connection")
        if not received:
            return
        if error := say(shown(received)):
            fail("write", "standard output", error.strerror)


def main():
    host, port = read_arguments(b"127.0.0.1", b"19534")
    if sys.stdin is None:  # closed: the socket would take its descriptor
        return report("read", "standard input", os.strerror(errno.EBADF))
    if sys.stdout is None or sys.stderr is None:
        return report("write", "standard output", os.strerror(errno.EBADF))
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    status = 0

    # 1. create, 2. connect
    server, peer = connect_to_server(host, port)

    # 3. receive, in a thread of its own
    printer = threading.Thread(target=print_answers, args=(server, peer), daemon=True)
    try:
        printer.start()
    except RuntimeError as error:
        return report("pthread_create", peer, error)

    # 4. send
    try:
        while not finished.is_set():
            line = sys.stdin.buffer.readline().removesuffix(b"\n")
            if not line:
                break
            if line == b"exit":
                finished.set()  # it will close
            try:
                send_all(server, line)
            except OSError as error:
                fail("send", peer, why(error))
    except OSError as error:
        status = report("read", "standard input", error.strerror)
    except MemoryError:
        status = report("read", "standard input", os.strerror(errno.ENOMEM))

    # 5. shut the sending side: the server sees the end, and what it still says arrives
    finished.set()
    with contextlib.suppress(OSError):
        server.shutdown(socket.SHUT_WR)
    printer.join()

    # 6. close
    server.close()
    return status


if __name__ == "__main__":
    sys.exit(main())
