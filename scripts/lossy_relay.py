#!/usr/bin/env python3
"""Pass datagrams between clients and a server, and lose, double, swap and delay some on the way.

A network that does all this fits on one machine: start the server, then this, then the client towards
the address that this prints. Each datagram's fate is printed; Ctrl-C ends it and prints the counts.
The same seed and the same datagrams give the same fates, in each direction by itself.
"""
import argparse
import collections
import heapq
import itertools
import os
import random
import selectors
import signal
import socket
import sys
import time

MOST_CLIENTS = 200  # sockets towards the server; the one unused longest is closed for a new client
HELD = 0.2  # seconds that a swapped datagram waits for the one that is to overtake it
LARGEST = 65535  # bytes


def odds(text):
    """The type of the options that take a probability."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text}: from 0 (never) to 1 (always)")
    return value


def port(text):
    """The type of a port, 0 for any free one; getaddrinfo takes 99999 without a word."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text}: a port is a number from 0 to 65535")
    return int(text)


def arguments():
    """Read the command line. Wrong usage ends the program with exit status 2."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], epilog=__doc__.split("\n\n")[1])
    parser.add_argument("host", nargs="?", default="127.0.0.1", help="the server's (%(default)s)")
    parser.add_argument("port", nargs="?", type=port, default=19535, help="the server's (%(default)s)")
    parser.add_argument("--listen", type=port, default=0, metavar="PORT", help="for clients; 0: any free one")
    parser.add_argument("--seed", type=int, default=1, help="another number, other fates (%(default)s)")
    parser.add_argument("--by", type=float, default=0.3, metavar="SECONDS", help="of delay (%(default)s)")
    for fate in ("drop", "double", "swap", "delay"):
        parser.add_argument("--" + fate, type=odds, default=0, metavar="ODDS", help=f"to {fate} one, 0 to 1")
    return parser.parse_args()


def say(line):
    """Print a line at once; a relay whose output nobody reads any more goes on."""
    try:
        os.write(1, (line + "\n").encode())
    except OSError:
        pass


class Direction:
    """One way through the relay: decides the datagrams' fates, and counts them."""

    def __init__(self, name, options, later):
        self.name, self.options, self.later = name, options, later
        self.random = random.Random(f"{options.seed} {name}")
        self.counts = collections.Counter()
        self.held = None  # the datagram that waits to be overtaken, as a function that sends it

    def release(self, held):
        """Let a held datagram go, unless it has gone already."""
        if self.held is held:
            self.held = None
            held()

    def take(self, data, pass_on):
        """Decide what becomes of a datagram; pass_on sends it."""
        # every datagram draws four numbers, so that one option's odds do not shift another's fates
        fates = [fate for fate in ("drop", "double", "swap", "delay")
                 if self.random.random() < getattr(self.options, fate)]
        if "drop" in fates:
            fates = ["drop"]
        elif "swap" in fates and ("delay" in fates or self.held is not None):
            fates.remove("swap")
        self.counts.update(fates + ["datagrams"])

        def go():
            for _ in range(2 if "double" in fates else 1):
                try:
                    pass_on(data)
                except OSError:
                    self.counts["refused"] += 1  # nobody there: as lost as on a network

        if "drop" in fates:
            pass
        elif "delay" in fates:
            self.later(self.options.by, go)
        elif "swap" in fates:
            self.held = go
            self.later(HELD, lambda: self.release(go))
        else:
            go()
            if self.held is not None:
                self.release(self.held)
        say(f"to the {self.name}: {len(data)} bytes" + (": " + ", ".join(fates) if fates else ""))

    def summary(self):
        """The counts in words, without those that are 0: a line of a terminal."""
        words = {"drop": "dropped", "double": "doubled", "swap": "swapped", "delay": "delayed",
                 "refused": "refused"}
        return f"to the {self.name}: {self.counts['datagrams']} datagrams" + "".join(
            f", {self.counts[fate]} {word}" for fate, word in words.items() if self.counts[fate])


class Relay:
    """The sockets, the clock, and the two directions."""

    def __init__(self, options):
        self.server = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_DGRAM)[0]
        self.selector = selectors.DefaultSelector()
        self.front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.front.bind(("127.0.0.1", options.listen))
        self.front.setblocking(False)
        self.selector.register(self.front, selectors.EVENT_READ, None)
        self.backs = collections.OrderedDict()  # client's address: its socket towards the server
        self.due, self.order = [], itertools.count()  # what is to be done when, as a heap
        self.to_server = Direction("server", options, self.later)
        self.to_client = Direction("client", options, self.later)

    def later(self, seconds, action):
        """Do action in so many seconds."""
        heapq.heappush(self.due, (time.monotonic() + seconds, next(self.order), action))

    def back(self, client):
        """The socket that stands for this client towards the server."""
        if client not in self.backs:
            if len(self.backs) == MOST_CLIENTS:
                _, oldest = self.backs.popitem(last=False)
                self.selector.unregister(oldest)
                oldest.close()
            family, kind, protocol, _, address = self.server
            self.backs[client] = socket.socket(family, kind, protocol)
            self.backs[client].setblocking(False)
            self.backs[client].connect(address)
            self.selector.register(self.backs[client], selectors.EVENT_READ, client)
        self.backs.move_to_end(client)
        return self.backs[client]

    def receive(self, sock, client):
        """Take one datagram from a socket and let its direction decide."""
        try:
            data, sender = sock.recvfrom(LARGEST)
        except BlockingIOError:
            return
        except OSError:  # the server's port refuses
            self.to_server.counts["refused"] += 1
            return
        if client is None:
            self.to_server.take(data, lambda data: self.back(sender).send(data))
        else:
            self.to_client.take(data, lambda data: self.front.sendto(data, client))

    def run(self):
        """Relay until the program is ended."""
        say("listening on %s:%d" % self.front.getsockname())
        while True:
            wait = max(0, self.due[0][0] - time.monotonic()) if self.due else None
            for key, _ in self.selector.select(wait):
                if key.fd == key.fileobj.fileno():  # not closed a moment ago for a new client
                    self.receive(key.fileobj, key.data)
            while self.due and self.due[0][0] <= time.monotonic():
                heapq.heappop(self.due)[2]()


def main():
    """Set up the relay and run it until SIGINT or SIGTERM. Returns the exit status."""
    options = arguments()
    try:
        relay = Relay(options)
    except OSError as error:
        print(f"lossy_relay: {error.strerror}", file=sys.stderr)
        return 1

    def stop(number, frame):
        say(relay.to_server.summary() + "\n" + relay.to_client.summary())
        os._exit(0)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    return relay.run()


if __name__ == "__main__":
    sys.exit(main())
