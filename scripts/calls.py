"""What two programs under strace said to each other: strace's lines read, each socket call joined to
the calls of the other side that caused it, and all of them put in order. No drawing here: see ladder.py.

A stream's causes follow from byte positions: the n-th byte sent is the n-th byte received, so a recv is
caused by each send whose bytes it takes. Datagrams are joined message by message.
"""
import re

# What strace is asked for; a leading ? lets a name pass that this machine's kernel lacks.
TRACED = ("socket,socketpair,bind,connect,listen,?accept,?accept4,?recv,recvfrom,recvmsg,?send,sendto,"
          "sendmsg,read,readv,write,writev,?sendfile,shutdown,close,getsockname,getpeername,setsockopt,"
          "getsockopt,?poll,?ppoll,?select,?pselect6,dup,?dup2,dup3,fcntl,clone,?clone3,?fork,?vfork,"
          "execve,exit_group")
STRACE = ["strace", "-q", "-f", "-ttt", "-T", "-yy", "-s", "64", "-e", "trace=" + TRACED]

SENDS = {"send", "sendto", "sendmsg", "write", "writev", "sendfile"}
RECVS = {"recv", "recvfrom", "recvmsg", "read", "readv"}
POLLS = {"poll", "ppoll", "select", "pselect6"}
ACCEPTS = {"accept", "accept4"}
WAITS = RECVS | POLLS | ACCEPTS
ONLY_ALL = {"getsockname", "getpeername", "getsockopt", "fcntl", "dup", "dup2", "dup3"}
# A call that took longer than this and needed nothing from the other side is drawn as having waited.
LONG = 0.050
# Look-ups that the C library makes for itself: the name service's own sockets.
LIBRARY_PATHS = ("nscd", "systemd", "dbus", "/dev/log")


class Socket:
    """One socket, whatever descriptors name it."""

    def __init__(self, actor, family="", kind=""):
        self.actor, self.family, self.kind = actor, family, kind
        self.local = self.remote = None     # addresses as text
        self.inode = self.peer_inode = None
        self.peer = None                    # the other end of a stream
        self.asked = None                   # the address that connect was given
        self.connect = self.accept = None   # the call that made the connection
        self.ends = []                      # calls after which nothing more is sent
        self.refs, self.bound, self.moved, self.stranger = 0, False, False, False
        self.calls = []

    def seen_as(self):
        """Its address as the other side saw it, None when it is not known."""
        told = [c.address for call in self.calls for c in call.effects if c.address and self.kind == "dgram"]
        known = self.local and not self.local.startswith(("0.0.0.0:", "[::]:"))
        return (told or [self.local if known else None])[0]


class Call:
    """One system call on a socket (or a process's end). t1 is None when it never returned."""

    def __init__(self, actor, pid, tid, name, t0):
        self.actor, self.pid, self.tid, self.name, self.t0 = actor, pid, tid, name, t0
        self.t1 = self.ret = self.errno = self.sock = self.new = self.thread = None
        self.args, self.fd, self.outcome = [], None, ""
        self.data, self.cut = b"", False
        self.socks, self.address = [], None
        self.span = None                    # (first, last) byte of the stream
        self.causes = []                    # (Call, label)
        self.effects = []
        self.note = ""

    @property
    def moved(self):
        return self.ret is not None and self.ret > 0


# --- strace's text ---------------------------------------------------------------------------

LINE = re.compile(r"(\d+)\s+(\d+\.\d+) (.*)")
RESUMED = re.compile(r"<\.\.\. (\w+) resumed>\s?")
RESULT = re.compile(r"\)\s+= ")
FD = re.compile(r"(-?\d+)(?:<(.*)>)?$", re.S)
SOCKET_NOTE = re.compile(r"(?!pipe:|anon_inode:)([A-Za-z][A-Za-z0-9-]*):\[(.*)\]$", re.S)
NOTE = "<(?:->|[^>])*>"                     # what strace -yy says of a descriptor
ESCAPES = {"n": 10, "t": 9, "r": 13, "v": 11, "f": 12, "\\": 92, '"': 34}


def split_args(text):
    """The arguments of a call: text split at commas outside quotes and brackets."""
    parts, depth, start, i = [], 0, 0, 0
    while i < len(text):
        c = text[i]
        if c == '"':
            i += 1
            while i < len(text) and text[i] != '"':
                i += 2 if text[i] == "\\" else 1
        elif c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
        elif c == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
        i += 1
    parts.append(text[start:].strip())
    return parts


def unquote(text):
    """Bytes of strace's string `"a\\n"`, and whether strace cut it; (b"", False) when it is none."""
    match = re.match(r'"((?:[^"\\]|\\.)*)"(\.\.\.)?', text, re.S)
    if not match:
        return b"", False
    out = bytearray()
    for plain, octal, escape in re.findall(r"([^\\]+)|\\([0-7]{1,3})|\\(.)", match.group(1), re.S):
        if plain:
            out += plain.encode("utf-8", "surrogateescape")
        elif octal:
            out.append(int(octal, 8))
        else:
            out.append(ESCAPES.get(escape, ord(escape) & 255))
    return bytes(out), bool(match.group(2))


def address(text):
    """The address in strace's text of a sockaddr as `host:port`, `[v6]:port` or a path; None without."""
    port = re.search(r"sin6?_port=htons\((\d+)\)", text)
    if port:
        host = re.search(r'inet_(?:addr\(|pton\(AF_INET6, )"([^"]*)"', text)
        host = host.group(1) if host else "?"
        return ("[%s]:%s" if ":" in host else "%s:%s") % (host, port.group(1))
    path = re.search(r'sun_path=(@?)("(?:[^"\\]|\\.)*")', text)
    return path.group(1) + unquote(path.group(2))[0].decode("utf-8", "replace") if path else None


def port_of(addr):
    """The port of an address, as text; a path is its own."""
    return addr.rsplit(":", 1)[1] if addr and re.search(r":\d+$", addr) else addr


def raw_calls(lines):
    """(tid, name, arguments or None, result or None, t0, t1 or None) of each call, in the order of entry;
    a process's end has the name `exited`."""
    calls, open_calls = [], {}
    for line in lines:
        match = LINE.match(line)
        if not match:
            continue
        tid, now, rest = int(match.group(1)), float(match.group(2)), match.group(3)
        resumed = RESUMED.match(rest)
        if rest.startswith("+++"):
            calls.append([tid, "exited", rest.strip("+ "), "", now, now])
            continue
        if resumed:
            call = open_calls.pop(tid, None)
            if call is None:
                continue
            text = call[2] + rest[resumed.end():]
        else:
            name = re.match(r"(\w+)\(", rest)
            if not name:
                continue
            text = rest[name.end():]
            call = [tid, name.group(1), text, None, now, None]
            calls.append(call)
        if "<unfinished ...>" in text[-20:]:
            call[2] = text[:text.rindex("<unfinished")]
            open_calls[tid] = call
            continue
        ends = list(RESULT.finditer(text))
        call[2] = text[:ends[-1].start()] if ends else text.replace("<detached ...>", "")
        if ends:
            took = re.search(r" <(\d+\.\d+)>$", text)
            call[3] = text[ends[-1].end():took.start() if took else len(text)].strip()
            # strace counts a call's length from when it had printed the arguments, which takes it a while
            call[5] = now if resumed else call[4] + float(took.group(1)) if took else None
    return calls


# --- from text to sockets and calls ----------------------------------------------------------

class Reader:
    """Reads one program's trace; .calls and .sockets are what it did, threads numbered from 1."""

    def __init__(self, actor, lines, stopped=None):
        self.actor, self.stopped = actor, stopped
        self.calls, self.sockets = [], []
        self.tables = {}                    # process: {descriptor: Socket}
        self.parents = {}                   # tid: (tid of its creator, time)
        raw = raw_calls(lines)
        self.process = self.processes(raw)
        for entry in self.in_effect(raw):
            self.take(*entry)
        self.number_threads()

    def processes(self, raw):
        """Which process each thread belongs to, from the flags of the clone calls."""
        owner = {}
        for tid, name, args, result, t0, _ in raw:
            child = re.match(r"\d+", result or "")
            if name in ("clone", "clone3", "fork", "vfork") and child and int(child.group()):
                child = int(child.group())
                same = "CLONE_THREAD" in args
                owner[child] = owner.get(tid, tid) if same else child
                self.parents[child] = (tid, t0, same)
        return owner

    @staticmethod
    def in_effect(raw):
        """raw, with every call where it takes effect on the descriptors: what makes one at its return,
        the rest at their entry."""
        late = ACCEPTS | {"socket", "socketpair", "dup", "dup2", "dup3", "fcntl"}

        def when(call):
            return call[5] if call[1] in late and call[5] is not None else call[4]
        return sorted(raw, key=when)

    def table(self, tid):
        pid = self.process.get(tid, tid)
        if pid not in self.tables:
            table = {}
            parent = self.parents.get(pid)
            if parent and not parent[2]:
                table = dict(self.table(parent[0]))
                for sock in table.values():
                    sock.refs += 1
            self.tables[pid] = table
        return self.tables[pid]

    def look(self, tid, text):
        """(descriptor, Socket) of an argument such as `3<TCP:[1.2.3.4:5->6.7.8.9:10]>`; Socket None when
        it is none."""
        match = FD.match(text)
        if not match:
            return None, None
        fd, note = int(match.group(1)), match.group(2)
        table = self.table(tid)
        kind = SOCKET_NOTE.match(note or "")
        if note and not kind:
            return fd, None
        if kind and fd not in table:
            table[fd] = self.made(kind.group(1))
        sock = table.get(fd)
        if sock and kind:
            self.learn(sock, kind.group(1), kind.group(2))
        return fd, sock

    def made(self, protocol="", family="", kind=""):
        sock = Socket(self.actor, family, kind or ("dgram" if re.search("UDP|DGRAM", protocol) else "stream"))
        sock.refs = 1
        self.sockets.append(sock)
        return sock

    @staticmethod
    def learn(sock, protocol, note):
        """Takes over what strace -yy says of a socket."""
        if protocol.startswith("NETLINK"):
            sock.family = "AF_NETLINK"
        elif protocol.startswith("UNIX"):
            inodes = re.match(r"(\d+)(?:->(\d+))?", note)
            sock.family = "AF_UNIX"
            sock.inode, sock.peer_inode = inodes.group(1), inodes.group(2) or sock.peer_inode
        elif ":" in note:
            ends = note.split("->")
            sock.local = ends[0]
            if len(ends) == 2:
                sock.remote = ends[1]

    def close(self, table, fd, call):
        sock = table.pop(fd, None)
        if sock:
            sock.refs -= 1
            if sock.refs == 0:
                sock.ends.append(call)

    def take(self, tid, name, args, result, t0, t1):
        if self.stopped is not None and t0 > self.stopped:
            return
        if t1 is not None and self.stopped is not None and t1 > self.stopped:
            result, t1 = None, None
        pid = self.process.get(tid, tid)
        call = Call(self.actor, pid, tid, name, t0)
        call.t1 = t1
        table = self.table(tid)
        if name == "exited":
            if tid != pid:
                return
            call.t1 = t0
            call.outcome = args
            call.args = sorted(table)
            for fd in list(table):
                self.close(table, fd, call)
            if call.args or args != "exited with 0":
                self.calls.append(call)
            return
        if name in ("execve", "exit_group", "clone", "clone3", "fork", "vfork"):
            return
        call.args = split_args(args)
        result = result or ""
        number = re.match(r"-?\d+", result)
        if number and "ERESTART" not in result:
            call.ret = int(number.group())
            error = re.match(r"-1 (E\w+)", result)
            call.errno = error.group(1) if error else None
        else:
            call.t1 = None
        if name in POLLS:
            self.take_poll(call, tid, result)
            return
        if name in ("socket", "socketpair"):
            self.take_socket(call, tid, table)
            return
        call.fd, call.sock = self.look(tid, call.args[0])
        if name == "sendfile" and call.sock is None:
            return
        if call.sock is None:
            return
        self.take_socket_call(call, tid, table, result)
        call.sock.calls.append(call)
        self.calls.append(call)

    def take_poll(self, call, tid, result):
        text = " ".join(call.args[:1] if "poll" in call.name else call.args[1:4])
        call.socks = []
        names = re.findall(r"fd=(\d+%s)" % NOTE, text) or re.findall(r"\d+" + NOTE, text)
        for item in names:
            fd, sock = self.look(tid, item)
            if sock:
                call.socks.append((fd, sock))
        if not call.socks:
            return
        call.sock = call.socks[0][1]
        call.outcome = result
        for _, sock in call.socks:
            sock.calls.append(call)
        self.calls.append(call)

    def take_socket(self, call, tid, table):
        family, kind = call.args[0], "dgram" if "SOCK_DGRAM" in call.args[1] else "stream"
        if call.errno or call.ret is None:
            call.sock = self.made("", family, kind)
        elif call.name == "socket":
            call.sock = self.made("", family, kind)
            table[call.ret] = call.sock
            call.fd = call.ret
        else:
            pair = [int(fd) for fd in re.findall(r"\d+", re.sub(NOTE, "", call.args[3]))][:2]
            ends = [self.made("", family, kind) for _ in pair]
            for fd, sock in zip(pair, ends):
                table[fd] = sock
            if len(ends) == 2:
                ends[0].peer, ends[1].peer = ends[1], ends[0]
                ends[0].bound = ends[1].bound = True
                call.sock, call.socks = ends[0], list(zip(pair, ends))
        call.sock.calls.append(call)
        self.calls.append(call)

    def take_socket_call(self, call, tid, table, result):
        sock, name, args = call.sock, call.name, call.args
        good = call.t1 is not None and not call.errno
        if name in ("bind", "connect"):
            call.address = address(args[1])
            if name == "bind":
                sock.bound = True
                if good and not (call.address or "").endswith(":0"):
                    sock.local = sock.local or call.address
            else:
                sock.asked = call.address
                if good or call.errno in ("EINPROGRESS", "EINTR"):
                    sock.connect = sock.connect or call
        elif name in ACCEPTS and good:
            call.new = self.made("", sock.family, sock.kind)
            table[call.ret] = call.new
            call.new.accept = call
            self.look(tid, result)
            call.address = address(args[1])
            call.new.remote = call.address or call.new.remote
        elif name == "close" and good:
            self.close(table, call.fd, call)
        elif name == "shutdown" and good and "WR" in args[1]:
            sock.ends.append(call)
        elif name in ("dup", "dup2", "dup3") or name == "fcntl" and "F_DUPFD" in args[1]:
            if good:
                if name in ("dup2", "dup3"):
                    self.close(table, call.ret, call)
                table[call.ret] = sock
                sock.refs += 1
        elif name == "getsockname" and good:
            sock.local = address(args[1]) or sock.local
        elif name in SENDS | RECVS:
            sock.moved = True
            whole = " ".join(args[1:])
            base = re.search(r"iov_base=(\".*)", whole, re.S)
            call.data, call.cut = unquote(base.group(1) if base else args[1])
            call.address = address(whole)
            if call.moved:
                call.cut = call.cut or len(call.data) < call.ret
                call.data = call.data[:call.ret]
            if "MSG_TRUNC" in whole and name == "recvmsg":
                call.note = "MSG_TRUNC"

    def number_threads(self):
        """Numbers the threads that made socket calls, in the order of their creation. Of a pool whose
        threads all wait in one and the same call to the end, only the first one's call is kept, with the
        number of the last in .pools."""
        born, count = {}, {}
        for call in self.calls:
            born.setdefault(call.tid, self.parents.get(call.tid, (0, 0.0, False))[1])
            count[call.tid] = count.get(call.tid, 0) + 1
        pools = {}
        for call in self.calls:
            if count[call.tid] == 1 and call.t1 is None and call.name in WAITS:
                pools.setdefault((call.name, call.sock), []).append(call)
        pools = [pool for pool in pools.values() if len(pool) > 2]
        idle = {call.tid: i for i, pool in enumerate(pools) for call in pool}
        order = sorted(born, key=lambda tid: (idle.get(tid, -1), born[tid], tid))
        number = {tid: i for i, tid in enumerate(order, 1)}
        ranges = [sorted(number[call.tid] for call in pool) for pool in pools]
        self.pools = {numbers[0]: numbers[-1] for numbers in ranges}
        self.calls = [call for call in self.calls if call.tid not in idle or number[call.tid] in self.pools]
        for call in self.calls:
            call.thread = number[call.tid]


# --- joining the two sides -------------------------------------------------------------------

def hidden(sock):
    """Whether a socket belongs to the C library's own look-ups and not to the program."""
    if sock.stranger:
        return True
    path = (sock.asked or "") + " " + (sock.remote or "")
    if sock.family == "AF_NETLINK":
        return True
    if sock.family == "AF_UNIX":
        return any(word in path for word in LIBRARY_PATHS)
    if sock.kind == "dgram" and (port_of(sock.asked) == "53" or port_of(sock.remote) == "53"):
        return True
    # getaddrinfo connects datagram sockets to ask which of its answers has a route
    return sock.kind == "dgram" and sock.asked is not None and not sock.moved and not sock.bound


def pair_streams(sockets):
    """Finds the two ends of each connection: by addresses or inodes, else by the order of connecting."""
    def joined(one, other):
        one.peer, other.peer = other, one
    accepted = [s for s in sockets if s.accept]
    connected = [s for s in sockets if s.connect and s.kind == "stream" and not s.connect.errno
                 or s.connect and s.connect.errno == "EINPROGRESS"]
    for one in accepted:
        for other in connected:
            if other.peer is None and one.peer is None and (
                    one.remote and one.remote == other.local and one.local == other.remote
                    or one.inode and one.inode == other.peer_inode):
                joined(one, other)
    for one in sorted(accepted, key=lambda s: s.accept.t1):
        for other in sorted(connected, key=lambda s: s.connect.t0):
            same = port_of(other.asked) in (port_of(one.local), port_of(one.accept.sock.local))
            if one.peer is None and other.peer is None and same and other.local in (None, one.remote):
                joined(one, other)
    for one in accepted:
        if one.peer:
            # strace cannot name a socket that was gone before it looked
            one.peer.local = one.peer.local or one.remote
            one.accept.causes.append((one.peer.connect, "SYN" if one.family != "AF_UNIX" else "connect"))


def strangers(sockets):
    """Marks and returns the connections that came from neither program: another process of the machine
    connected to the port by chance. Only when every connection of the pair has both its ends."""
    if any(s.connect and s.kind == "stream" and not s.connect.errno and not s.peer for s in sockets):
        return []
    found = [s for s in sockets if s.accept and s.remote and re.match(r"[\d\[]", s.remote) and not s.peer]
    for sock in found:
        sock.stranger = True
    return found


def join_stream(sender, receiver):
    """Gives each send and recv of one direction its byte range and each recv its causes."""
    position, sends = 0, []
    for call in sorted((c for c in sender.calls if c.name in SENDS and c.moved), key=lambda c: c.t1):
        call.span = (position, position + call.ret - 1)
        position += call.ret
        sends.append(call)
    taken = 0
    for call in sorted((c for c in receiver.calls if c.name in RECVS and c.t1 is not None),
                       key=lambda c: c.t1):
        if call.moved:
            call.span = (taken, taken + call.ret - 1)
            if not any("MSG_PEEK" in arg for arg in call.args):
                taken += call.ret
            for send in sends:
                if send.span[0] <= call.span[1] and call.span[0] <= send.span[1]:
                    call.causes.append((send, None))
        elif call.ret == 0 and sender.ends:
            call.causes.append((min(sender.ends, key=lambda c: c.t0),
                                "end" if sender.family == "AF_UNIX" else "FIN"))
    for call in receiver.calls:
        if call.errno in ("ECONNRESET", "EPIPE") and sender.ends and call.name in SENDS | RECVS:
            call.causes.append((sender.ends[-1], "RST" if call.errno == "ECONNRESET" else ""))


def join_datagrams(sockets):
    """Joins each datagram received to the sendto that it came from."""
    sends = sorted((c for s in sockets if s.kind == "dgram" and not hidden(s) for c in s.calls
                    if c.name in SENDS and c.t1 is not None and not c.errno), key=lambda c: c.t0)
    used = set()
    recvs = sorted((c for s in sockets if s.kind == "dgram" and not hidden(s) for c in s.calls
                    if c.name in RECVS and c.t1 is not None and not c.errno), key=lambda c: c.t1)
    for call in recvs:
        origin = port_of(call.address or call.sock.remote or call.sock.asked)
        for send in sends:
            target = send.address or send.sock.asked or send.sock.remote
            size = min(len(send.data), len(call.data))
            if send in used or send.t0 > call.t1 or send.sock is call.sock:
                continue
            if send.sock.peer is not call.sock:
                if call.sock.local and port_of(target) != port_of(call.sock.local):
                    continue
                if send.sock.local and origin and port_of(send.sock.local) != origin:
                    continue
            if send.data[:size] != call.data[:size] or call.ret > send.ret:
                continue
            if not call.sock.local:
                call.sock.local = target
            call.causes.append((send, "datagram"))
            if not any("MSG_PEEK" in arg for arg in call.args):
                used.add(send)
            break


def join(readers):
    """All visible calls of all programs, each with its causes, and the sockets left out as strangers'."""
    sockets = [sock for reader in readers for sock in reader.sockets]
    pair_streams([s for s in sockets if not hidden(s)])
    others = strangers([s for s in sockets if not hidden(s)]) if len(readers) > 1 else []
    for sock in sockets:
        if sock.peer and sock.kind == "stream":
            join_stream(sock, sock.peer)
    join_datagrams(sockets)
    calls = [c for reader in readers for c in reader.calls
             if not (c.sock and hidden(c.sock) or c.new and hidden(c.new))]
    for number, call in enumerate(calls):
        if call.name in POLLS and call.ret:
            call.causes = poll_causes(call, calls[number + 1:])
    for call in calls:
        for cause, _ in call.causes:
            cause.effects.append(call)
        if call.causes and call.t1 is not None:
            call.t1 = max([call.t1] + [cause.t0 + 1e-6 for cause, _ in call.causes])
    return calls, others


def poll_causes(call, later):
    """What a poll woke up for: the causes of the next call that its thread makes on a ready socket."""
    ready = {int(fd) for fd in re.findall(r"\d+", re.sub(NOTE + r"|revents=\w+|left .*", "",
                                                         call.outcome.split("(", 1)[-1]))}
    socks = {sock for fd, sock in call.socks if fd in ready}
    for other in later:
        if other.actor == call.actor and other.tid == call.tid and other.sock in socks:
            return [(cause, "") for cause, _ in other.causes] if other.name in WAITS - POLLS else []
    return []


# --- the order -------------------------------------------------------------------------------

class Node:
    """A call's entry, its return, or (whole) both in one."""

    def __init__(self, call, role, time):
        self.call, self.role, self.time = call, role, time
        self.needs = []


def threads_of(calls, steady):
    """{(actor, thread): its nodes in program order} and {call: its (first, last) node}."""
    threads, ends = {}, {}
    for call in sorted(calls, key=lambda c: c.t0):
        line = threads.setdefault((call.actor, call.thread), [])
        waits = call.name in WAITS or not steady and call.name in SENDS | {"connect"} and \
            call.t1 is not None and call.t1 - call.t0 >= LONG
        if call.t1 is not None and waits:
            pair = Node(call, "enter", call.t0), Node(call, "return", call.t1)
        else:
            pair = (Node(call, "whole", call.t0),) * 2
        line.extend(pair if pair[0] is not pair[1] else pair[:1])
        ends[call] = pair
    return threads, ends


def order(readers, calls, marks, steady):
    """The nodes of all calls in an order in which nothing happens before its cause.

    marks are the moments (seconds, ascending) at which a client was started or was given a line to send.
    With steady the order follows from causes alone, as if one processor ran each thread until it has to
    wait: the same conversation gives the same order every time. Without, it is the clock's."""
    threads, ends = threads_of(calls, steady)
    for call in calls:
        for cause, _ in call.causes:
            if cause in ends:
                ends[call][1].needs.append(ends[cause][0])
    add_joins(calls, ends)
    add_births(readers, threads)
    add_marks(threads, marks)
    heads = {key: 0 for key in threads}
    ran = {key: float("inf") for key in threads}
    done, out, current = set(), [], None

    def ready(key):
        i = heads[key]
        return i < len(threads[key]) and all(need in done for need in threads[key][i].needs)

    def rank(key):
        node = threads[key][heads[key]]
        if steady:                          # a time limit passes when nobody else has anything to do
            idle = node.role == "return" and not node.needs and node.call.t1 - node.call.t0 >= LONG
            return (idle, key != current, ran[key], key)
        return (node.time, key)
    total = sum(map(len, threads.values()))
    while len(out) < total:
        able = [key for key in threads if ready(key)]
        if able:
            key = min(able, key=rank)
        else:                               # two calls that needed each other: the clock decides
            key = min((k for k in threads if heads[k] < len(threads[k])),
                      key=lambda k: threads[k][heads[k]].time)
        node = threads[key][heads[key]]
        heads[key] += 1
        done.add(node)
        out.append(node)
        ran[key] = len(out)
        current = key
        if node.call.name == "connect":     # let the server accept before the client goes on
            accepts = [k for k in threads if k != key and ready(k) and
                       threads[k][heads[k]].call.name in ACCEPTS]
            current = accepts[0] if accepts else key
    return merged(out, steady)


def add_joins(calls, ends):
    """A socket is closed, and a process ends, after what its other threads had finished by then: they were
    joined, which is no socket call and so is not seen."""
    for close in calls:
        if close.name not in ("close", "exited"):
            continue
        for call in calls:
            if (call.actor, call.pid) == (close.actor, close.pid) and call.thread != close.thread and \
                    call.t1 is not None and call.t1 < close.t0 and \
                    (close.name == "exited" or call.sock is close.sock):
                ends[close][0].needs.append(ends[call][1])


def add_births(readers, threads):
    """A thread's first call comes after the call that its creator made last before creating it."""
    for reader in readers:
        for (actor, _), nodes in threads.items():
            parent = reader.parents.get(nodes[0].call.tid)
            if actor != reader.actor or not parent:
                continue
            before = [n for key, line in threads.items() if key[0] == actor for n in line
                      if n.call.tid == parent[0] and n.time <= parent[1] and n is not nodes[0]]
            if before:
                nodes[0].needs.append(max(before, key=lambda n: n.time))


def add_marks(threads, marks):
    """What a client sends after a mark comes after all that the clients had finished before it; what it
    does first of all comes after the server was ready."""
    for actor, number in threads:
        if actor == 0:
            continue
        line = threads[actor, number]
        for i, mark in enumerate(marks):
            later = [n for n in line if n.time > mark and n.role == "whole"]
            if not later:
                continue
            for other, nodes in threads.items():
                before = [n for n in nodes if n.time < mark and (n.role != "enter")
                          and (other[0] > 0 or i == 0)]
                if before and other != (actor, number):
                    later[0].needs.append(before[-1])


def merged(nodes, steady):
    """nodes, a call that did not have to wait as one: nothing lies between entry and return, or what it
    waited for had happened before it was entered."""
    place = {node: i for i, node in enumerate(nodes)}
    entered, gone = {}, set()
    for i, node in enumerate(nodes):
        if node.role == "enter":
            entered[node.call] = i
        elif node.role == "return":
            first = entered[node.call]
            between = [n for n in nodes[first + 1:i] if n not in gone]
            caused = max((place[n] for n in node.needs), default=None)
            quick = caused is not None and caused < first and node.call.name in WAITS or \
                caused is None and not steady and node.call.t1 - node.call.t0 < LONG
            if quick or not between:
                nodes[first].role = "whole"
                gone.add(node)
    return [node for node in nodes if node not in gone]
