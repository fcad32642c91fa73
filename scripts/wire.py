"""The wire between a client and a server on this machine, tapped: a proxy that writes down every byte.

Used by scripts/compare. One proxy keeps its port while the servers behind it change, so that a client
sends the same bytes (HTTP's Host line) to each of them.
"""
import collections
import selectors
import socket
import struct
import threading
import time

CHUNK = 65536      # bytes that one recv takes at most; more than any datagram has
PATIENCE = 5       # seconds to wait for a server that does not listen yet
TO_SERVER, TO_CLIENT = "->", "<-"
Piece = collections.namedtuple("Piece", "connection direction data")


class Wire:
    """A proxy on 127.0.0.1, for TCP or (datagrams=True) UDP; port 0: any free one; with path a stream
    of AF_UNIX there, in the place of both. abrupt: a server that closed first gets a reset for the
    client's end, so that its port is free for the next one, which may not set SO_REUSEADDR.

    pieces is what passed, as Pieces in order of arrival, connections counted from 1; clients and
    servers map the ports of the connections' two ends to their numbers. before() is called with each
    piece written down and not yet passed on.
    """

    def __init__(self, datagrams=False, port=0, path=None, abrupt=False):
        self.datagrams, self.abrupt = datagrams, abrupt
        self.family = socket.AF_UNIX if path else socket.AF_INET
        self.front = socket.socket(self.family, socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM)
        if not datagrams and not path:
            self.front.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self.front.bind(path or ("127.0.0.1", port))
            if not datagrams:
                self.front.listen(128)
        except OSError:
            self.front.close()
            raise
        self.port = None if path else self.front.getsockname()[1]
        self.news = threading.Condition()
        self.stop, self.waker = socket.socketpair()
        self.begin(None)
        self.thread = threading.Thread(target=self._datagrams if datagrams else self._accept, daemon=True)
        self.thread.start()

    def begin(self, server, before=lambda: None):
        """Start a new record; from now on connections lead to `server`, a port on 127.0.0.1 or a path."""
        with self.news:
            self.server, self.before = server, before
            self.pieces, self.clients, self.servers, self.open, self.count = [], {}, {}, set(), 0
            self.over = set()  # numbers of the connections whose server has closed
            self.linked = set()  # of those that have reached the server

    def close(self):
        """End the proxy."""
        self.waker.send(b"x")
        self.thread.join()
        for sock in (self.front, self.stop, self.waker):
            sock.close()

    def until(self, condition, patience):
        """Wait until condition() is true, looked at whenever something passes; return whether it is."""
        end = time.monotonic() + patience
        with self.news:
            while not condition() and time.monotonic() < end:
                self.news.wait(min(0.1, max(0, end - time.monotonic())))
            return condition()

    def answers(self, number=None):
        """How many pieces have come from servers; number: on that connection."""
        return sum(piece.direction == TO_CLIENT and number in (None, piece.connection) for piece in self.pieces)

    def _note(self, number, direction, data):
        self.before()
        with self.news:
            self.pieces.append(Piece(number, direction, data))
            self.news.notify_all()

    def _new(self, client_port):
        """Count a connection that comes from client_port."""
        with self.news:
            self.count += 1
            self.open.add(self.count)
            self.clients[client_port] = self.count
            self.news.notify_all()
            return self.count

    def _accept(self):
        """Take connections until close()."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.front, selectors.EVENT_READ)
            selector.register(self.stop, selectors.EVENT_READ)
            while not any(key.fileobj is self.stop for key, _ in selector.select()):
                client, address = self.front.accept()
                # an AF_UNIX client has no address
                threading.Thread(target=self._serve, args=(client, self._new(address and address[1])), daemon=True).start()

    def _serve(self, client, number):
        """Pass on one connection, both ways, until both sides have ended."""
        server = self._connect(number)
        if server is None:
            reset(client)
        else:
            ends = [threading.Thread(target=self._pump, args=arguments, daemon=True) for arguments in
                    ((client, server, number, TO_SERVER), (server, client, number, TO_CLIENT))]
            for end in ends:
                end.start()
            for end in ends:
                end.join()
            reset(server)  # both sides are done; a side that closed first would keep its port in TIME_WAIT
            client.close()
        with self.news:
            self.open.discard(number)
            self.news.notify_all()

    def _connect(self, number):
        """A connection to the server, which may still be starting; None if it never listens."""
        end = time.monotonic() + PATIENCE
        while True:
            server = socket.socket(self.family)
            server.settimeout(PATIENCE)
            try:
                if self.family == socket.AF_INET:
                    server.bind(("127.0.0.1", 0))
                    with self.news:
                        self.servers[server.getsockname()[1]] = number
                server.connect(self.server if self.family == socket.AF_UNIX else ("127.0.0.1", self.server))
                server.settimeout(None)
                with self.news:
                    self.linked.add(number)
                    self.news.notify_all()
                return server
            except OSError:
                server.close()
                if time.monotonic() > end:
                    return None
                time.sleep(0.02)  # nothing tells when a stranger's program begins to listen

    def _pump(self, source, sink, number, direction):
        """Pass on one direction until its end, and then the end, or the reset."""
        while True:
            try:
                data = source.recv(CHUNK)
            except OSError:
                for sock in (sink, source):
                    reset(sock, keep=True)
                return
            if not data:
                if direction == TO_CLIENT:
                    self.over.add(number)
                elif self.abrupt and number in self.over:
                    return
                try:
                    sink.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                return
            self._note(number, direction, data)
            try:
                sink.sendall(data)
            except OSError:  # it wants no more; its own direction tells how it ended
                pass

    def _datagrams(self):
        """Pass on datagrams until close(): a socket towards the server for each client's address."""
        backs = {}  # client's address: socket
        with selectors.DefaultSelector() as selector:
            selector.register(self.front, selectors.EVENT_READ)
            selector.register(self.stop, selectors.EVENT_READ)
            while True:
                ready = [key for key, _ in selector.select()]
                if any(key.fileobj is self.stop for key in ready):
                    break
                for key in ready:
                    try:
                        data, address = key.fileobj.recvfrom(CHUNK)
                    except OSError:  # the server's port refuses
                        continue
                    if key.fileobj is not self.front:
                        client, number = key.data
                        self._note(number, TO_CLIENT, data)
                        self.front.sendto(data, client)
                        continue
                    known = (address, self.server)
                    if known not in backs:
                        backs[known] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                        backs[known].connect(("127.0.0.1", self.server))
                        number = self._new(address[1])
                        with self.news:
                            self.servers[backs[known].getsockname()[1]] = number
                            self.open.discard(number)  # datagrams have no end to wait for
                        selector.register(backs[known], selectors.EVENT_READ, (address, number))
                    self._note(selector.get_key(backs[known]).data[1], TO_SERVER, data)
                    try:
                        backs[known].send(data)
                    except OSError:
                        pass
        for sock in backs.values():
            sock.close()


def reset(sock, keep=False):
    """Close a connection at once, without TIME_WAIT; keep: only end both directions, close it later."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if keep:
            sock.shutdown(socket.SHUT_RDWR)
        else:
            sock.close()
    except OSError:
        pass


def talks(pieces, datagrams=False):
    """The record for comparison: for each connection its (direction, bytes) in order.

    How TCP cut the bytes is not what was said: pieces of one direction in a row become one. A datagram
    is one message; the same one sent again on its socket, because the answer took long, counts once.
    """
    said = collections.OrderedDict()
    for number, direction, data in pieces:
        talk = said.setdefault(number, [])
        if datagrams:
            if (direction, data) not in talk:
                talk.append((direction, data))
        elif talk and talk[-1][0] == direction:
            talk[-1] = (direction, talk[-1][1] + data)
        else:
            talk.append((direction, data))
    return said
