"""port_check.py - lesson 04: which TCP ports of a machine have a listener?

Run:         python3 port_check.py [HOST] PORT|FROM-TO ...
New:         a socket that does not block: connect returns at once, a selector tells how it went,
             so that hundreds of connections can be under way in one thread
Not yet:     TCP cannot tell a filtered port from a lost packet: both are "no answer"
"""
import contextlib
import errno
import os
import re
import selectors
import signal
import socket
import sys
import time

AT_ONCE = 200  # connections under way at the same time: macOS allows 256 descriptors
PATIENCE = 1  # seconds that a port has for its answer
PROGRAM = "port_check"
USAGE = """usage: port_check [HOST] PORT|FROM-TO ...    (127.0.0.1)
PORT, FROM and TO 1 to 65535. Check only machines you are responsible for."""


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


# ---- The lesson ----


def read_ports(text):
    """Reads PORT or FROM-TO. Returns the range of its ports, None if it is not that."""
    match = re.match(r"0*([0-9]{1,9})(?:-0*([0-9]{1,9}))?\Z", text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    return range(first, last + 1) if 1 <= first <= last <= 65535 else None


def result_of(error):
    """Returns what the error of a connection says about the port: a SYN is refused, while a reset
    (EPIPE: behind an end) comes from a listener that has accepted. RFC 9293 3.10.7"""
    if error in (0, errno.ECONNRESET, errno.EPIPE):
        return "open"
    return "closed" if error == errno.ECONNREFUSED else "no answer"


def check(targets):
    """Checks a number of (family, address) at once and prints a line for each. Returns None, or the
    error of printing. socket.socket.connect_ex, selectors"""
    results, left, deadline = {}, PATIENCE, time.monotonic() + PATIENCE
    with selectors.DefaultSelector() as selector:
        for family, address in targets:
            attempt = socket.socket(family, socket.SOCK_STREAM)  # 1. create
            attempt.setblocking(False)
            error = attempt.connect_ex(address)  # 2. connect
            if error == errno.EINPROGRESS:
                selector.register(attempt, selectors.EVENT_WRITE, address)
                continue
            results[address] = result_of(error)
            attempt.close()
        while selector.get_map() and left > 0:
            left = deadline - time.monotonic()  # none, when we were stopped: a last look
            for key, _ in selector.select(left):
                attempt, address = key.fileobj, key.data
                selector.unregister(attempt)
                error = attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # 3. ask how it went
                results[address] = result_of(error)
                # on loopback the kernel may pick the very port that we look for as our own: then we
                # have connected to ourselves, and nobody listens there
                with contextlib.suppress(OSError):  # it may have been reset meanwhile
                    if error == 0 and attempt.getsockname() == attempt.getpeername():
                        results[address] = "closed"
                attempt.close()  # 4. close
        for key in list(selector.get_map().values()):
            key.fileobj.close()
    for _, address in targets:
        if error := say(f"{address_name(address)} {results.get(address, 'no answer')}"):
            return error
    return None


def main():
    given = sys.argv[1:]
    host = given.pop(0) if given and read_ports(given[0]) is None else "127.0.0.1"
    wants_help = host in ("-h", "--help")
    ranges = [read_ports(text) for text in given]
    if wants_help or not ranges or None in ranges or host[:1] in ("", "-"):
        say(USAGE, to=1 if wants_help else 2)
        return 0 if wants_help else 2
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback

    # every address of the name: what is open on one may be closed on another
    try:
        addresses = socket.getaddrinfo(os.fsencode(host), None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        return report("resolve", host, error.strerror)
    targets = [(family, (address[0], number, *address[2:])) for family, _, _, _, address in addresses
               for ports in ranges for number in ports]
    for start in range(0, len(targets), AT_ONCE):
        try:
            if error := check(targets[start:start + AT_ONCE]):
                return report("write", "standard output", error.strerror)
        except OSError as error:
            return report("socket", host, error.strerror)
    return 0


if __name__ == "__main__":
    sys.exit(main())
