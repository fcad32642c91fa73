"""gbk_client.py - lesson 01, one exchange in GBK, an encoding of Chinese older than UTF-8.

Run:         python3 gbk_client.py [HOST [PORT [MESSAGE]]]   (MESSAGE in UTF-8, as you type it)
Talk to it:  python3 gbk_server.py, first, in another terminal
New:         a socket carries bytes: what they mean is for the two programs to agree on
Not yet:     a character that two recvs share: lesson 02
"""
import errno
import os
import re
import signal
import socket
import sys

LOWEST_PORT = 1  # nobody listens on port 0
RECEIVE_SIZE = 1024  # bytes that one recv takes at most
PATIENCE = 5  # seconds to wait for a silent server
TEXT_SIZE = 4096  # bytes that MESSAGE must stay below, in UTF-8
MESSAGE = "你好服务端，我是客户端小黑!"
PROGRAM = "gbk_client"
USAGE = f"""usage: gbk_client [HOST [PORT [MESSAGE]]]    (127.0.0.1 8080 '{MESSAGE}')
PORT 1 to 65535; MESSAGE has 1 to 4095 bytes"""


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


# ---- The lesson ----


def exchange(server, peer, gbk):
    """Sends MESSAGE, in GBK, and prints the answer. Returns 0, or 1 after a failure that it has
    reported."""
    # 3. send
    print_gbk("sending", gbk)
    try:
        server.sendall(gbk)
    except OSError as error:
        return report("send", peer, why(error))

    # 4. receive
    try:
        received = server.recv(RECEIVE_SIZE)
    except OSError as error:
        return report("recv", peer, why(error))
    if not received:
        return report("recv", peer, "the server closed without an answer")
    if error := print_gbk("received", received):
        return report("write", "standard output", error.strerror)
    return 0


def main():
    host, port, message = read_arguments(b"127.0.0.1", b"8080", MESSAGE.encode())
    if not 0 < len(message) < TEXT_SIZE:
        say(USAGE, to=2)
        return 2
    gbk = encode(message)
    if sys.stdout is None or sys.stderr is None:  # closed: the socket would take its descriptor
        return report("write", "standard output", os.strerror(errno.EBADF))
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback

    # 1. create, 2. connect
    server, peer = connect_to_server(host, port)
    say(f"{address_name(server.getsockname())} connected to {peer}")

    # 3. send, 4. receive
    status = exchange(server, peer, gbk)

    # 5. close
    server.close()
    return status


if __name__ == "__main__":
    sys.exit(main())
