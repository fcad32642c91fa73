"""The load that a plain client of ours is to a server: bench measures the lessons with it."""
import contextlib
import socket
import time

from running import PATIENCE, Trouble


def round_trips(port, seconds, datagrams=False, clients=1, request=b"hello", anew=False):
    """Exchanges a second that the server on a port of 127.0.0.1 manages in so many seconds. clients: so
    many connections at once, each with one request on its way; anew: one for each request, which the
    server closes (HTTP). Raises Trouble or OSError when an answer does not come."""
    def connected():
        peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM)
        peers.callback(peer.close)
        peer.settimeout(PATIENCE)
        peer.connect(("127.0.0.1", port))
        return peer

    with contextlib.ExitStack() as peers:
        connections, count, start = [connected() for _ in range(clients)], 0, time.monotonic()
        while time.monotonic() - start < seconds:
            if anew and count:
                peers.close()
                connections = [connected() for _ in range(clients)]
            for peer in connections:
                peer.send(request)
            for peer in connections:
                if not peer.recv(4096):
                    raise Trouble(f"port {port}: the server closed without an answer")
                while anew and peer.recv(4096):
                    pass
            count += clients
        return count / (time.monotonic() - start)
