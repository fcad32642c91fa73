"""client.py - lesson 06, what lies between send and recv: the fast writer.

Run:         python3 client.py [-n] [-s BYTES] [-r BYTES] [-m BYTES] [HOST [PORT [BYTES]]]
Talk to it:  python3 server.py 127.0.0.1 19536 4000000, first, in another terminal: the slow reader
New:         send returns when the kernel has taken the bytes, and blocks while it has no room
Not yet:     what the server has read, only the server can say: framing_client.py
"""
import errno
import fcntl
import getopt
import os
import select
import signal
import socket
import struct
import sys
import termios
import threading
import time
import types

LOWEST_PORT = 1  # nobody listens on port 0
PATIENCE = 5  # seconds to wait for a silent server
PERIOD = 65521  # bytes after which the pattern repeats: a prime, as no buffer's size
WIDEST = 500  # columns of a terminal that the bars use at most
COPYING = 0.001  # seconds: a call that takes longer has waited, copying takes less
TICK = 0.1  # seconds between two rows or pictures
PROGRAM, TRANSFERRED, CALL, PARTIALLY = "client", "sent", "send", "of them partial"
USAGE = """usage: client [-n] [-s BYTES] [-r BYTES] [-m BYTES] [HOST [PORT [BYTES]]]
       (127.0.0.1 19536 16777216; PORT 1 to 65535)
-n  do not block: EAGAIN, then poll waits     -m  bytes in one send (131072)
-s  ask for a send buffer of so many bytes    -r  for a receive buffer"""

# again: failures with EAGAIN; since: start of the call in progress; content: for the summary
progress = types.SimpleNamespace(bytes=0, calls=0, partial=0, again=0, blocked=0, since=0, content="")
# drawn: the progress in the last row or picture; stopped: by a signal
output = types.SimpleNamespace(drawn=None, error=None, stopped=False)
lock = threading.Lock()  # of progress
finished = threading.Event()  # wakes the watcher


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


def whole_number(text, lowest, highest):
    """Returns the bytes as a whole number; if they are none from lowest to highest, ends the program
    with exit status 2."""
    digits = text.lstrip(b"0") or text[-1:]  # "00" is 0, and int refuses thousands of digits
    if digits.isdigit() and len(digits) < 20 and lowest <= int(digits) <= highest:
        return int(digits)
    say(USAGE, to=2)
    sys.exit(2)


def make_pattern(count):
    """Returns the pattern, of PERIOD + count bytes: the byte at position p of a transfer is
    pattern[p % PERIOD], so that count bytes from any position lie in one piece."""
    period, value = bytearray(PERIOD), 0
    for p in range(PERIOD):
        value = (value * 69069 + 1) % 2**32  # looks random: a missing byte shifts all the others
        period[p] = value >> 24
    try:
        return (bytes(period) * (count // PERIOD + 2))[:PERIOD + count]
    except MemoryError:
        sys.exit(report("malloc", "the pattern", os.strerror(errno.ENOMEM)))


def buffer_size(connection, option):
    """Returns the bytes that the kernel lets a buffer of the socket have, SO_SNDBUF or SO_RCVBUF. It
    is asked again and again, since the kernel may let them grow. socket.getsockopt"""
    return connection.getsockopt(socket.SOL_SOCKET, option)


def ask_for_buffer(connection, option, size):
    """Asks the kernel for a buffer of so many bytes (0: asks for nothing) and prints what it grants:
    Linux doubles the number, since its own bookkeeping lies in the buffer too. socket(7)"""
    name = "SO_SNDBUF" if option == socket.SO_SNDBUF else "SO_RCVBUF"
    if size > 0:
        try:
            connection.setsockopt(socket.SOL_SOCKET, option, size)
        except OSError as error:
            sys.exit(report("setsockopt", name, error.strerror))
    asked = f"asked for {size} bytes" if size > 0 else "not asked for"
    say(f"{name}: {asked}, granted {buffer_size(connection, option)}", to=2)


def queue_length(connection, option):
    """Returns the bytes in a queue of the socket: taken by send and not yet acknowledged by the peer
    (SO_SNDBUF), or arrived and not yet taken by recv (SO_RCVBUF); -1 if the system does not tell."""
    try:
        if option == socket.SO_SNDBUF and sys.platform == "darwin":
            return connection.getsockopt(socket.SOL_SOCKET, 0x1024)  # SO_NWRITE
        if option == socket.SO_SNDBUF and not sys.platform.startswith("linux"):
            return -1
        request = termios.FIONREAD if option == socket.SO_RCVBUF else termios.TIOCOUTQ  # SIOCOUTQ
        return int.from_bytes(fcntl.ioctl(connection, request, bytes(4)), sys.byteorder)
    except OSError:
        return -1


def call_begins():
    """Notes that a call begins that may block."""
    with lock:
        progress.since = time.monotonic()


def call_ended(count, asked, waited):
    """Notes that it ended, with count bytes (-1: none) of those asked for; waited: not at once."""
    with lock:
        took = time.monotonic() - progress.since
        progress.since = 0
        if waited or took > COPYING:
            progress.blocked += took
        if count > 0:
            progress.bytes += count
            progress.calls += 1
            progress.partial += count < asked


def progress_now():
    """Returns the progress until now: a call that blocks at this moment counts as blocked, and since
    is when it began, 0 if none does."""
    with lock:
        p = types.SimpleNamespace(**vars(progress))
    p.time = time.monotonic()
    if not p.since or p.time - p.since <= COPYING:
        p.since = 0
    else:
        p.blocked += p.time - p.since
    return p


def sum_up():
    """Prints the last row or picture in words, on stderr: stdout has the rows. What a call in progress
    has already moved would count when it returns."""
    p = output.drawn
    again = f", EAGAIN {p.again} times" if p.again else ""
    say(f"{TRANSFERRED} {p.bytes} bytes in {p.calls} {CALL}s{p.content}, {p.partial} {PARTIALLY}\n"
        f"blocked {p.blocked:.3f} s of {p.time - p.start:.3f} s{again}", to=2)


def queue_drawn(columns, name, count, limit):
    """Returns a queue as a line of less than columns characters: its name, a bar of what is left of
    the width, its bytes and its buffer's."""
    numbers = f"{count:7}/{limit:7}" if count >= 0 else "not told by this system"
    width = max(columns - len(name) - len(numbers) - len(" [] ") - 1, 0)
    filled = -(-count * width // limit) if count > 0 and limit > 0 else 0
    return f"{name} [{'#' * filled:.<{width}.{width}}] {numbers}"[:columns - 1]


def show():
    """Shows the transfer at this moment: on a terminal four lines in the place of the four before,
    anywhere else a row of CSV."""
    p = progress_now()
    moment = p.time - p.start
    going, coming = queue_length(p.socket, socket.SO_SNDBUF), queue_length(p.socket, socket.SO_RCVBUF)
    if os.isatty(1):
        window = struct.unpack("HHHH", fcntl.ioctl(1, termios.TIOCGWINSZ, bytes(8)))
        columns = min(window[1] or 80, WIDEST)
        state = f", BLOCKED since {p.since - p.start:.1f} s" if p.since else ""
        lines = [queue_drawn(columns, "send queue", going, buffer_size(p.socket, socket.SO_SNDBUF)),
                 queue_drawn(columns, "recv queue", coming, buffer_size(p.socket, socket.SO_RCVBUF)),
                 f"{moment:.1f} s, {p.bytes} bytes, {p.bytes / max(moment, 1e-9) / 1e6:.2f} MB/s"[:columns - 1],
                 f"{p.calls} {CALL}s{state}"[:columns - 1]]
        start = "\033[4A" if output.drawn else ""  # four lines up
        error = say(start + "\r" + "\033[K\n".join(lines) + "\033[K")
    else:
        error = say(f"{moment:.3f},{p.bytes},{going},{coming},{p.calls},{p.partial},"
                    f"{int(p.blocked * 1000)}")
    output.error, output.drawn = error or output.error, p


def sum_up_on_signals():
    """Lets SIGINT and SIGTERM end the program, wherever it is; a transfer is summed up first, by the
    thread that watches. A thread waits for them: a handler runs between two steps, and misses one
    that comes just before a call waits. If it cannot be started, the program ends with exit status
    1. signal.sigwait"""
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)

    def wait():
        signal.sigwait(ends)
        if not output.drawn:
            os._exit(0)  # there is no transfer yet
        output.stopped = not finished.is_set()  # if it is, it is ending already
        finished.set()

    try:
        threading.Thread(target=wait, daemon=True).start()
    except RuntimeError as error:
        sys.exit(report("pthread_create", "the signal thread", error))


def watch():
    """The watching thread: shows the transfer 10 times a second, and at its end. If that is SIGINT or
    SIGTERM, it sums up and ends the program with exit status 0. threading.Event.wait"""
    due, over = progress.start, False
    while not over:
        while due <= time.monotonic():
            due += TICK
        over = finished.wait(due - time.monotonic())
        show()
    if output.stopped:
        sum_up()
        os._exit(0)


def start_watching(connection):
    """Starts watching the transfer on a socket; ends the program with exit status 1 if it cannot.
    threading.Thread"""
    progress.socket, progress.start = connection, time.monotonic()
    if not os.isatty(1):
        say(f"seconds,bytes,send_queue,receive_queue,{CALL}s,partial,blocked_ms")
    show()
    output.watcher = threading.Thread(target=watch)
    try:
        output.watcher.start()
    except RuntimeError as error:
        sys.exit(report("pthread_create", "the watching thread", error))


def stop_watching():
    """Ends it: the last row or picture, then the words. threading.Thread.join"""
    finished.set()
    output.watcher.join()
    sum_up()


# ---- The lesson ----


def read_options():
    """Returns the options, sizes as numbers, and leaves the other arguments; ends the program as
    read_arguments does. getopt.getopt"""
    options = {"-m": 131072, "-s": 0, "-r": 0, "-n": False}
    try:
        given, rest = getopt.getopt(sys.argv[1:], "ns:r:m:")
    except getopt.GetoptError:
        read_arguments(b"", b"1")  # help or no option of ours: this ends the program
    for option, value in given:
        highest = 2**30 if option == "-m" else 2**31 - 1
        options[option] = option == "-n" or whole_number(os.fsencode(value), 1, highest)
    sys.argv[1:] = rest
    return options


def send_pattern(server, pattern, size, total):
    """Sends total bytes of the pattern, size in one send; raises OSError. socket.socket.send"""
    position, pattern = 0, memoryview(pattern)
    room = select.poll()
    room.register(server, select.POLLOUT)
    while position < total:
        offset, count = position % PERIOD, min(size, total - position)
        sent, full = -1, False
        call_begins()
        try:
            sent = server.send(pattern[offset:offset + count])
            position += sent  # less than count: a partial send, the rest comes next
        except BlockingIOError:  # EAGAIN, only with -n
            full = True
            with lock:
                progress.again += 1
            room.poll()
        finally:
            call_ended(sent, count, full)


def drain(server):
    """Says that no more comes, and waits until the server has closed, or for 5 s with everything
    acknowledged. What the server says is thrown away: unread, it would make of our close a reset,
    which drops the send queue. Raises OSError. socket.socket.shutdown"""
    server.shutdown(socket.SHUT_WR)
    end = select.poll()
    end.register(server, select.POLLIN)
    since = time.monotonic()
    while time.monotonic() - since < PATIENCE:
        ready = end.poll(PATIENCE * 1000)
        if queue_length(server, socket.SO_SNDBUF) > 0:
            since = time.monotonic()
        if ready and not server.recv(1024):
            break


def main():
    options = read_options()
    host, port, total = read_arguments(b"127.0.0.1", b"19536", b"16777216")
    total = whole_number(total, 0, 2**63 - 1)
    if sys.stdout is None or sys.stderr is None:  # closed: the socket would take its descriptor
        return report("write", "standard output", os.strerror(errno.EBADF))
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    pattern = make_pattern(options["-m"])

    # 1. create, 2. connect
    server, peer = connect_to_server(host, port)
    say(f"{address_name(server.getsockname())} connected to {peer}", to=2)
    ask_for_buffer(server, socket.SO_SNDBUF, options["-s"])
    ask_for_buffer(server, socket.SO_RCVBUF, options["-r"])
    # a send may block for as long as the server likes: that is the lesson
    server.settimeout(0 if options["-n"] else None)

    # 3. send, 4. receive the end
    sum_up_on_signals()
    start_watching(server)
    operation, failure, status = "send", None, 0
    try:
        send_pattern(server, pattern, options["-m"], total)
        operation = "recv"
        drain(server)
    except OSError as error:
        failure = error
    stop_watching()
    if failure:
        status = report(operation, peer, failure.strerror)
        say(f"handed to the kernel: {progress.bytes} bytes, {queue_length(server, socket.SO_SNDBUF)} of "
            "them never acknowledged;\nhow many the server has read is unknown", to=2)
    if output.error:
        status = report("write", "standard output", output.error.strerror)

    # 5. close
    server.close()
    return status


if __name__ == "__main__":
    sys.exit(main())
