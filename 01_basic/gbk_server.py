"""gbk_server.py - lesson 01, one exchange in GBK, an encoding of Chinese older than UTF-8.

Run:         python3 gbk_server.py [HOST [PORT [REPLY]]]     (REPLY in UTF-8, as you type it)
Talk to it:  python3 gbk_client.py, in a second terminal
New:         a socket carries bytes: what they mean is for the two programs to agree on
Not yet:     a character that two recvs share: lesson 02
"""
import os
import re
import signal
import socket
import sys

LOWEST_PORT = 0  # 0: the kernel picks a free port
BACKLOG = 128  # connections that may wait for accept
RECEIVE_SIZE = 1024  # bytes that one recv takes at most
TEXT_SIZE = 4096  # bytes that REPLY must stay below, in UTF-8
REPLY = "ok, 问题正在处理中..."
PROGRAM = "gbk_server"
USAGE = f"""usage: gbk_server [HOST [PORT [REPLY]]]    (127.0.0.1 8080 '{REPLY}')
PORT 0 to 65535, 0: any free one; {{}} in REPLY: what was received"""


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


def encode(text):
    """Returns text, which is UTF-8, in GBK; ends the program with exit status 1 if there is a
    character that GBK has not."""
    try:
        return text.decode().encode("gbk")
    except UnicodeDecodeError as error:
        rest = text[error.start:]
    except UnicodeEncodeError as error:
        rest = error.object[error.start:].encode()
    sys.exit(report("encode", shown(rest), "not in GBK"))


def print_gbk(who, received):
    """Prints bytes as they are, then what they mean in GBK, as shown shows it; bytes that are no
    GBK, half a character too, as \\xNN. who: the line's beginning. Returns what say returns."""
    text = received.decode("gbk", "surrogateescape").encode("utf-8", "surrogateescape")
    say(f"{who} {len(received)} bytes: {received.hex(' ')}")
    return say(f"{who} in GBK: {shown(text)}")


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


# ---- The lesson ----


def serve_client(client, address, parts):
    """Talks with one client. Returns 0, or 1 after a failure that it has reported. recv, sendall"""
    peer = address_name(address)
    say(f"{peer} connected")
    say(f"{address_name(client.getsockname())} is this end")
    try:
        if received := client.recv(RECEIVE_SIZE):
            print_gbk(f"{peer} sent", received)
            try:
                client.sendall(received.join(parts))
            except OSError as error:
                return report("send", peer, error.strerror)
    except OSError as error:
        return report("recv", peer, error.strerror)
    if not received:
        return report("recv", peer, "the client left without a message")
    return 0


def main():
    host, port, reply = read_arguments(b"127.0.0.1", b"8080", REPLY.encode())
    if len(reply) >= TEXT_SIZE:
        say(USAGE, to=2)
        return 2
    # {} is found in UTF-8: the second byte of a GBK character may be the byte of { or of }
    parts = [encode(part) for part in reply.split(b"{}", 1)]
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback

    # 1. create, 2. bind, 3. listen
    listener = open_listener(host, port)
    name = address_name(listener.getsockname())
    say(f"listening on {name}")

    # 4. accept: the client gets a socket of its own
    try:
        client, address = listener.accept()
    except OSError as error:
        return report("accept", name, error.strerror)

    # 5. talk
    status = serve_client(client, address, parts)

    # 6. close
    client.close()
    return status


if __name__ == "__main__":
    sys.exit(main())
