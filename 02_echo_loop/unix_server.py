"""unix_server.py - lesson 02, the conversation over AF_UNIX: a file's name is the address.

Run:         python3 unix_server.py [PATH]
Talk to it:  python3 unix_client.py, in a second terminal
New:         AF_UNIX; the socket's file, which is left behind and must be removed
Not yet:     a second client waits until the first one leaves: lesson 03
"""
import errno
import itertools
import os
import re
import signal
import socket
import stat
import sys
import threading
import time

PATH = b"./echo.sock"
BACKLOG = 128  # connections that may wait for accept
RECEIVE_SIZE = 1024  # bytes that one recv takes at most
REPLY = b"Echo: {}"
PROGRAM = "unix_server"
USAGE = "usage: unix_server [PATH]    (./echo.sock)"


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


def is_stale(path):
    """Is the socket's file at the path what a server left that was killed? Asks by connecting:
    where nobody listens any more, or not yet, that is refused. os.lstat, socket.socket.connect_ex"""
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        return False  # not ours to remove
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)  # a live server's full queue must not hold us up
        return probe.connect_ex(path) == errno.ECONNREFUSED


def listen_at_path(path):
    """Returns a socket that listens at PATH, and its file's identity; ends the program with exit
    status 1 if it cannot. socket.socket.bind, listen"""
    try:
        listener = socket.socket(socket.AF_UNIX)  # 1. create
        try:
            listener.bind(path)  # 2. bind
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not is_stale(path):
                raise
            os.unlink(path)
            listener.bind(path)
        file = os.lstat(path)
        listener.listen(BACKLOG)  # 3. listen
        return listener, file
    except OSError as error:  # Python's own, with no errno: the path is too long
        reason = error.strerror or os.strerror(errno.ENAMETOOLONG)
    sys.exit(report("bind", os.fsdecode(path), reason))


def remove_and_stop(path, file, ends):
    """Waits for one of these signals; then removes the socket's file, unless another server has
    replaced it, and ends the program. A thread runs it: a handler runs between two steps, and misses
    a signal that comes just before a call waits. signal.sigwait"""
    signal.sigwait(ends)
    try:
        if os.path.samestat(os.lstat(path), file):
            os.unlink(path)
    finally:
        os._exit(0)


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

numbers = itertools.count(1)  # the clients have no address


def serve_client(client):
    """Talks with one client. Returns 0, or 1 after a failure that it has reported. recv, sendall"""
    peer = f"client {next(numbers)}"
    say(f"{peer} connected")
    try:
        while received := client.recv(RECEIVE_SIZE):
            say(f"{peer} sent {len(received)} bytes: {shown(received)}")
            try:
                client.sendall(REPLY.replace(b"{}", received, 1))
            except OSError as error:
                return report("send", peer, error.strerror)
    except OSError as error:
        return report("recv", peer, error.strerror)
    say(f"{peer} finished")
    return 0


def main():
    path = read_path()
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)

    # 1. create, 2. bind, 3. listen
    listener, file = listen_at_path(path)
    try:
        threading.Thread(target=remove_and_stop, args=(path, file, ends), daemon=True).start()
    except RuntimeError as error:
        os.unlink(path)
        return report("pthread_create", "the signal thread", error)
    say(f"listening on {shown(path)}")

    while True:
        # 4. accept: the client gets a socket of its own
        try:
            client, _ = listener.accept()
        except OSError as error:
            accept_failed(os.fsdecode(path), error)
            continue

        # 5. talk
        serve_client(client)

        # 6. close
        client.close()


if __name__ == "__main__":
    sys.exit(main())
