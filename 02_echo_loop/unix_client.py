"""unix_client.py - lesson 02, the conversation over AF_UNIX: a file's name is the address.

Run:         python3 unix_client.py [PATH]      (an empty line or Ctrl-D ends it)
Talk to it:  python3 unix_server.py, first, in another terminal
New:         AF_UNIX: the same calls, another address family
Not yet:     an answer that comes in two pieces, or unasked: lesson 03
"""
import contextlib
import errno
import os
import re
import signal
import socket
import struct
import sys

PATH = b"./echo.sock"
RECEIVE_SIZE = 1024  # bytes that one recv takes at most
PATIENCE = 5  # seconds to wait for a silent server
PROGRAM = "unix_client"
USAGE = """usage: unix_client [PATH]    (./echo.sock)
sends each line of standard input"""


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


def read_path():
    """Returns PATH from the arguments, as bytes; ends the program if they ask for help (exit status
    0) or are wrong usage (2)."""
    given = [os.fsencode(argument) for argument in sys.argv[1:]]
    path = given[0] if given else PATH
    wants_help = path in (b"-h", b"--help")
    if path.startswith(b"-") or not path or len(given) > 1:
        say(USAGE, to=1 if wants_help else 2)
        sys.exit(0 if wants_help else 2)
    return path


def report(operation, object, reason):
    """Says on stderr which operation failed, on what and why. Returns the exit status for it, 1."""
    say(f"{PROGRAM}: {operation} {object}: {reason}", to=2)
    return 1


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


def connect_to_path(path):
    """Returns a socket connected to PATH; ends the program with exit status 1 if nobody answers
    there. socket.socket.connect"""
    try:
        server = socket.socket(socket.AF_UNIX)  # 1. create
        # with settimeout, connect to a full queue would fail at once
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", PATIENCE, 0))
        while True:  # a signal ends Python's wait too early: are we connected?
            server.connect(path)  # 2. connect
            with contextlib.suppress(OSError):
                server.getpeername()
                server.settimeout(PATIENCE)
                return server
    except BlockingIOError:
        reason = why(socket.timeout())
    except OSError as error:  # Python's own, with no errno: the path is too long
        reason = error.strerror or os.strerror(errno.ENAMETOOLONG)
    sys.exit(report("connect", os.fsdecode(path), reason))


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


def exchange(server, peer, message):
    """Sends the message and prints the answer. Returns 0, or 1 after a failure it has reported."""
    # 3. send
    try:
        send_all(server, message)
    except OSError as error:
        return report("send", peer, why(error))

    # 4. receive
    try:
        received = server.recv(RECEIVE_SIZE)
    except OSError as error:
        return report("recv", peer, why(error))
    if not received:
        return report("recv", peer, "the server closed without an answer")
    if error := say(shown(received)):
        return report("write", "standard output", error.strerror)
    return 0


def main():
    path = read_path()
    if sys.stdin is None:  # closed: the socket would take its descriptor
        return report("read", "standard input", os.strerror(errno.EBADF))
    if sys.stdout is None or sys.stderr is None:
        return report("write", "standard output", os.strerror(errno.EBADF))
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    on_terminal = sys.stdin.isatty()
    status = 0

    # 1. create, 2. connect
    server = connect_to_path(path)

    # 3. send, 4. receive, again and again
    try:
        while status == 0:
            if on_terminal:
                say("message (an empty line ends): ", end="")
            line = sys.stdin.buffer.readline()
            if on_terminal and not line:
                say("")  # so that the shell's prompt gets a line of its own
            if line in (b"", b"\n"):
                break
            status = exchange(server, os.fsdecode(path), line.removesuffix(b"\n"))
    except OSError as error:
        status = report("read", "standard input", error.strerror)
    except MemoryError:
        status = report("read", "standard input", os.strerror(errno.ENOMEM))

    # 5. close
    server.close()
    return status


if __name__ == "__main__":
    sys.exit(main())
