"""What the pairs of lessons 01 to 03 promise alike. A test file derives its classes from these and
names its lesson; the cases then run for C and for Python.

Throughout, `peer` is a socket of the test's own that plays the other side.
"""
import errno
import os
import pty
import resource
import select
import signal
import socket
import sys
import tempfile
import threading
import time

import kit

FEWER_TIMES = 10 if kit.SANITIZED else 1  # fewer connections where each costs ten times as much
WRONG_PORTS = ("99999", "65536", "-1", "abc", "", "1e3", "+80", " 80", "80 ", "0x50", "8080x",
               "99999999999999999999999", "\u0661\u0662", "1_0")
SPARE_THREADS = (0, 1) if kit.SANITIZED else (0,)  # ThreadSanitizer starts one of its own
SECOND = 5.0 if kit.SANITIZED else 1.0  # within this a server ends
SILENCE = "no answer within 5 seconds: is it busy?"

# what arrives, and how the C literal shows it
ODD = {
    "NUL": (b"\0one\0\0two\0", r"\x00one\x00\x00two\x00"),
    "no UTF-8": (b"caf\xe9 \xff\xfe \xc0\xaf \xed\xa0\x80 \xf4\x90\x80\x80 \xe4\xbd",
                 r"caf\xe9 \xff\xfe \xc0\xaf \xed\xa0\x80 \xf4\x90\x80\x80 \xe4\xbd"),
    "escapes": (b"\x1b[2J\x1b]0;owned\x07\r\x7f\xc2\x9b31m\xc2\x85\\x\n",
                r"\x1b[2J\x1b]0;owned\x07\r\x7f\xc2\x9b31m\xc2\x85\\x\n"),
    "text": ("你好，caf\u00e9 \U0001f600\u00a0\ttab \"quoted\"\n".encode(),
             "你好，caf\u00e9 \U0001f600\u00a0\\ttab \"quoted\"\\n"),
    "forged": (b"hi\n127.0.0.1:1 connected\n", r"hi\n127.0.0.1:1 connected\n"),
}
CUT = b"x" * 1023 + "你y".encode()  # the character stands across the 1024th byte
CUT_SHOWN = ("x" * 1023 + r"\xe4", r"\xbd\xa0y")


def name_of(peer):
    """The address of the test's own end, as the server prints it."""
    return "%s:%d" % peer.getsockname()[:2]


def talk(peer, message, answer):
    """Send the message; the answer must be exactly that."""
    peer.sendall(message)
    came = kit.receive_exactly(peer, len(answer))
    if came != answer:
        raise kit.Trouble(f"{came!r} came instead of {answer!r}")


def connects_without_stderr(case, argv, listener):
    """Whether the client, whose stderr is closed, connects to the listener before it ends, as it must, with
    exit status 1."""
    case.assertEqual(case.run_program(["sh", "-c", 'exec "$@" 2>&-', "sh", *argv]), (1, "", ""))
    return bool(kit.ready([listener], 0))


def too_long_a_line(case, argv):
    """Types a line, which the server answers with ok, and one that needs more memory than there is: the
    client must say so."""
    with tempfile.TemporaryFile() as file:
        file.write(b"one\n")
        file.truncate(2 ** 27)
        file.seek(0)
        client = case.start([*kit.limited("-v 100000"), *argv], stdin=file)
        case.assertEqual(client.wait(), 1)
    case.assertEqual(client.out, b"ok\n")
    case.assertRegex(client.err.decode(), r"\A(unix_)?client: read standard input: Cannot allocate memory\n\Z")


def read_slowly(peer, size):
    """Take bytes at 100 KB/s for 7 s, longer than a client waits for one send and too slowly for poll to
    tell of room, then the rest of size, and answer."""
    came, start = 0, time.monotonic()
    while came < size and (more := peer.recv(65536)):
        came += len(more)
        while came / 10 ** 5 > time.monotonic() - start < 7:
            time.sleep(0.05)
    peer.sendall(b"all there" if came == size else b"cut off")
    silent(peer)


def silent(peer):
    """A server that takes everything and says nothing, until the client leaves."""
    while peer.recv(65536):
        pass


class Interface:
    """Arguments, usage, and what can be wrong before the first byte."""

    surplus = {"server": 4, "client": 4}  # so many arguments are one too many

    def refused(self, program, *arguments):
        """The arguments are wrong usage: exit status 2, the usage on stderr, nothing on stdout."""
        status, out, err = self.run_program([*self.command(program), *arguments])
        self.assertEqual((status, out), (2, ""), arguments)
        self.assertTrue(err.startswith(f"usage: {program} [HOST [PORT"), (arguments, err))

    def test_help_shows_the_usage_on_stdout(self):
        for program in ("server", "client"):
            for option in ("-h", "--help"):
                status, out, err = self.run_program([*self.command(program), option])
                self.assertEqual((status, err), (0, ""))
                self.assertTrue(out.startswith(f"usage: {program} [HOST [PORT"), out)

    def test_a_port_that_is_no_number_up_to_65535_is_wrong_usage(self):
        for port in WRONG_PORTS:
            self.refused("server", "127.0.0.1", port)
            self.refused("client", "127.0.0.1", port)

    def test_port_0_is_wrong_usage_for_a_client(self):
        self.refused("client", "127.0.0.1", "0")
        self.refused("client", "127.0.0.1", "000")

    def test_surplus_arguments_are_wrong_usage(self):
        for program, count in self.surplus.items():
            self.refused(program, *["127.0.0.1", "8080", "a", "b", "c"][:count])

    def test_unknown_options_are_wrong_usage(self):
        for program in ("server", "client"):
            for option in ("-x", "--port", "-", "--", "--help=no"):
                self.refused(program, option)

    def test_a_reply_of_4096_bytes_is_wrong_usage_and_4095_are_sent(self):
        self.refused("server", "127.0.0.1", "0", "r" * 4096)
        server = self.server("r" * 4095)
        talk(self.connect(server), b"go", b"r" * 4095)

    def test_a_name_that_does_not_resolve_is_named(self):
        for program in ("server", "client"):
            status, out, err = self.run_program([*self.command(program), "nosuch.invalid", "8080"])
            self.assertEqual((status, out), (1, ""))
            self.assertRegex(err, rf"\A{program}: resolve nosuch\.invalid: [^\n]+\n\Z")

    def test_a_refused_connection_names_the_address(self):
        with socket.socket() as bound:  # holds the port, does not listen
            bound.bind(("127.0.0.1", 0))
            port = bound.getsockname()[1]
            status, out, err = self.run_program([*self.command("client"), "127.0.0.1", str(port)])
        self.assertEqual((status, out, err), (
            1, "", f"client: connect 127.0.0.1:{port}: Connection refused\n"))

    def test_a_port_that_is_taken_names_the_address(self):
        port = self.server().port
        status, out, err = self.run_program([*self.command("server"), "127.0.0.1", str(port)])
        self.assertEqual((status, out, err), (
            1, "", f"server: bind 127.0.0.1:{port}: Address already in use\n"))

    @kit.ipv6
    def test_it_works_over_ipv6(self):
        server = self.server("got {}", host="::1")
        self.assertEqual(server.address[0], "::1")
        client = self.client(server.port, host="::1")
        client.type("hi\n")
        client.expect("got ")
        client.end_input()
        self.assertEqual(client.wait(), 0)
        server.expect(f"listening on [::1]:{server.port}\n[::1]:")

    def test_a_name_works_as_the_host(self):
        server = self.server("got {}", host="localhost")
        client = self.client(server.port, host="localhost")
        client.type("hi\n")
        client.expect("got ")
        client.end_input()
        self.assertEqual(client.wait(), 0)

    def test_the_arguments_may_be_any_bytes_in_any_locale(self):
        server = self.server(b"\xff{}\xe4\xbd", env=dict(os.environ, LC_ALL="C"))
        talk(self.connect(server), "你".encode(), b"\xff\xe4\xbd\xa0\xe4\xbd")
        server.expect(" sent 3 bytes: 你\n")

    def test_only_the_first_braces_stand_for_what_came(self):
        server = self.server("<{}|{}>")
        talk(self.connect(server), b"a{}b", b"<a{}b|{}>")


class Addresses:
    """HOST is a name that has two addresses, one of which does not work."""

    name, kind = "twin.test", socket.SOCK_STREAM
    programs = ("server", "client")
    arguments = ()  # the client's, behind HOST and PORT
    dead = "connect {}: Connection refused"  # the client on an address whose port is only bound

    def target(self, port):
        """The client's arguments that stand for the name and a port."""
        return [self.name, str(port), *self.arguments]

    def held(self, addresses):
        """Bind one port on each address, so that nobody else can. Returns {address: socket}, port."""
        while True:
            sockets, port = {}, 0
            try:
                for address in addresses:
                    sockets[address] = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, self.kind)
                    self.addCleanup(sockets[address].close)
                    sockets[address].bind((address, port))
                    port = sockets[address].getsockname()[1]
                return sockets, port
            except OSError as error:
                if error.errno != errno.EADDRINUSE or port == 0:
                    raise
                for each in sockets.values():  # another program has that port on the second
                    each.close()

    def each_address_is_tried(self, *addresses, silent=False):
        """The server binds the one whose port is free, the client finds it, whichever it is: in one
        of the two it is not the first. The other refuses, or is silent."""
        under = self.naming(self.name, *addresses)
        for free, other in (addresses, addresses[::-1]):
            with self.subTest(free=free):
                held, port = self.held(addresses)
                held[free].close()
                if silent:
                    self.fill_queue(held[other])
                server = self.start([*under, *self.command(self.programs[0]), self.name, str(port)])
                self.assertEqual(server.address, (free, port))
                status, _, err = self.run_program([*under, *self.command(self.programs[1]), *self.target(port)], b"hi\n")
                self.assertEqual(status, 0, err)

    def test_each_address_of_a_name_is_tried(self):
        self.each_address_is_tried("127.0.0.5", "127.0.0.6")

    @kit.ipv6
    def test_each_address_of_a_name_is_tried_in_both_families(self):
        self.each_address_is_tried("127.0.0.5", "::1")

    def test_when_no_address_of_a_name_works_the_last_one_is_named(self):
        addresses = "127.0.0.5", "127.0.0.6"
        under = self.naming(self.name, *addresses)
        _, port = self.held(addresses)
        _, order, _ = self.run_program([*under, sys.executable, "-c", "import socket, sys; print(*("
                                        "a[4][0] for a in socket.getaddrinfo(sys.argv[1], 1, type=int(sys.argv[2]))))",
                                        self.name, str(int(self.kind))])
        self.assertEqual(sorted(order.split()), sorted(addresses))  # getaddrinfo may sort them
        last = f"{order.split()[-1]}:{port}"
        for program, arguments, expected in ((self.programs[0], [self.name, str(port)], "bind {}: Address already in use"),
                                             (self.programs[1], self.target(port), self.dead)):
            self.assertEqual(self.run_program([*under, *self.command(program), *arguments], b"hi\n"),
                             (1, "", f"{program}: {expected.format(last)}\n"))


class TCPAddresses(Addresses):
    """The same, for clients that connect."""

    @kit.linux
    def test_an_address_that_says_nothing_is_given_up_for_the_next(self):
        self.each_address_is_tried("127.0.0.5", "127.0.0.6", silent=True)


class Defaults:
    """What stands for the arguments that are not given. Not for C and Python at a time: one port."""

    port = None

    def test_the_default_address_is_the_one_of_the_notes(self):
        for language in ("C", "Python"):
            for program in ("server", "client"):
                running = self.start(self.command(program, language))
                address = f"127.0.0.1:{self.port}"
                if program == "server":  # it listens, or says that another program does
                    running.until(lambda: running.out + running.err, "a line")
                    self.assertIn((bytes(running.out), bytes(running.err)), (
                        (f"listening on {address}\n".encode(), b""),
                        (b"", f"server: bind {address}: Address already in use\n".encode())))
                    running.kill()
                else:
                    running.end_input()
                    if running.wait() != 0:
                        self.assertIn(f" {address}: ".encode(), running.err)


class Same:
    """C and Python side by side: what they print is the same."""

    lines = ("hello", "你好, {}", "tab\tend \x1b[0m \u0085 \\ caf\u00e9")
    reply = "Echo: {}"

    def played(self, server_language, client_language):
        """Run the pair with self.lines typed in; return what both printed, ports masked."""
        server = self.start([*self.command("server", server_language), "127.0.0.1", "0", self.reply])
        client = self.start([*self.command("client", client_language), "127.0.0.1", str(server.port)])
        for count, line in enumerate(self.lines, 1):
            client.type(line + "\n")
            client.until(lambda: client.out.count(b"\n") >= count, "the answer")
        client.end_input()
        self.assertEqual((client.wait(), bytes(client.err)), (0, b""))
        server.expect(self.last)
        server.kill()
        self.assertEqual(bytes(server.err), b"")
        return kit.masked(server.out), kit.masked(client.out)

    last = " finished\n"  # what the server prints last

    def test_c_and_python_print_the_same_in_every_mixture(self):
        expected = self.played("C", "C")
        self.assertGreater(len(expected[1]), 20)
        for server, client in (("Python", "Python"), ("C", "Python"), ("Python", "C")):
            self.assertEqual(self.played(server, client), expected)

    def test_c_and_python_have_the_same_usage(self):
        for program in ("server", "client"):
            for argument in ("-h", "-x"):
                self.assertEqual(*(self.run_program([*self.command(program, language), argument])
                                   for language in ("C", "Python")))


class AnyServer:
    """What the servers of 01, 02 and 03 do with a client's bytes."""

    def shows(self, odd):
        """The bytes ODD[odd] come back as they went, and are printed as one whole line."""
        data, text = ODD[odd]
        server = self.server("{}")
        peer = self.connect(server)
        talk(peer, data, data)
        server.expect(f"{name_of(peer)} sent {len(data)} bytes: {text}\n")

    def test_nul_bytes_come_back_and_are_shown(self):
        self.shows("NUL")

    def test_bytes_that_are_no_utf8_come_back_and_are_shown(self):
        self.shows("no UTF-8")

    def test_terminal_escapes_are_shown_not_obeyed(self):
        self.shows("escapes")

    def test_text_is_shown_as_it_is(self):
        self.shows("text")

    def test_a_message_cannot_forge_a_line_of_the_log(self):
        self.shows("forged")

    def test_a_half_close_still_gets_its_reply(self):
        server = self.server("Echo: {}")
        server.send_signal(signal.SIGSTOP)  # so that the end is there when it reads the message
        peer = self.connect(server)
        peer.sendall(b"hello")
        peer.shutdown(socket.SHUT_WR)
        server.send_signal(signal.SIGCONT)
        self.assertEqual(kit.receive_all(peer), b"Echo: hello")

    def closed_output(self):
        """Start a server whose stdout and stderr are a pipe, close the pipe; return its port."""
        _, pipe, port = self.into_a_pipe("{}", stderr=True)
        pipe.close()
        return port

    def into_a_pipe(self, reply, stderr=False):
        """Start a server whose stdout (and stderr) is a pipe that nobody but the test reads. Returns it,
        the pipe, its port. It does not outlive the deadline: then a read of the pipe ends."""
        reading, writing = os.pipe()
        pipe = os.fdopen(reading, "rb")
        self.addCleanup(pipe.close)
        server = self.start([*self.command("server"), "127.0.0.1", "0", reply], stdout=writing,
                            **({"stderr": writing} if stderr else {}))
        os.close(writing)
        deadline = threading.Timer(kit.PATIENCE, server.process.kill)
        deadline.start()
        self.addCleanup(deadline.cancel)
        return server, pipe, int(pipe.readline().rpartition(b":")[2])

    def test_a_server_whose_output_nobody_reads_serves_on(self):
        peer = self.connect(self.closed_output())
        talk(peer, b"hello", b"hello")

    @kit.linux
    def test_a_stop_or_a_signal_while_it_waits_for_a_client_changes_nothing(self):
        server = self.server("{}")
        kit.disturb(server)
        talk(self.connect(server), b"hello", b"hello")

    @kit.linux
    def test_a_stop_or_a_signal_while_it_waits_for_a_message_changes_nothing(self):
        server = self.server("{}")
        peer = self.connect(server)
        server.expect(" connected\n")
        kit.disturb(server)
        talk(peer, b"hello", b"hello")


class LastMoment:
    """A signal that comes between a server's last step and the call in which it waits. In Python a
    thread waits for it."""

    waits, waits_in = ("server", "127.0.0.1", "0"), "accept"

    def __init_subclass__(cls):
        if getattr(cls, "language", "") == "C":  # which has a handler
            cls.test_when_no_thread_can_wait_for_signals_it_says_so_and_ends = None

    def test_when_no_thread_can_wait_for_signals_it_says_so_and_ends(self):
        name, *arguments = self.waits
        status, _, err = self.run_program([*self.short_of_threads(0, name), *arguments])
        self.assertEqual((status, err), (1, f"{name}: pthread_create the signal thread: can't start new thread\n"))

    @kit.linux
    def test_a_signal_just_before_it_waits_ends_it(self):
        name, *arguments = self.waits
        server = self.start([*self.command(name), *arguments], env=self.signal_before(self.waits_in))
        self.assertEqual(server.wait(), 0)


class LoopingServer(AnyServer, LastMoment):
    """What the servers of 02 and 03 withstand: no client ends them or stops them serving the next."""

    def serves_on(self, server):
        """The server is there and answers."""
        self.assertIsNone(server.process.poll())
        talk(self.connect(server), b"next", b"next")

    def test_a_character_cut_at_the_1024th_byte_is_shown_as_its_bytes(self):
        server = self.server("{}")
        peer = self.connect(server)
        talk(peer, CUT, CUT)
        name = name_of(peer)
        server.expect(f"{name} sent 1024 bytes: {CUT_SHOWN[0]}\n{name} sent 3 bytes: {CUT_SHOWN[1]}\n")

    def test_a_message_one_byte_at_a_time_is_answered_byte_by_byte(self):
        peer = self.connect(self.server())
        for byte in b"hello":
            talk(peer, bytes([byte]), b"Echo: " + bytes([byte]))

    def test_a_mebibyte_without_a_newline_comes_back(self):
        data = bytes(range(48, 109)) * (2 ** 20 // 61 + 1)
        data = data[:2 ** 20]
        server = self.server("{}")
        peer = self.connect(server)
        sender = threading.Thread(target=peer.sendall, args=(data,), daemon=True)
        sender.start()
        self.assertTrue(kit.receive_exactly(peer, len(data)) == data)
        sender.join(kit.PATIENCE)
        peer.close()
        self.serves_on(server)

    def test_a_client_that_leaves_at_once_is_seen_off(self):
        server = self.server("{}")
        peer = self.connect(server)
        name = name_of(peer)
        peer.close()
        server.expect(f"{name} connected\n{name} finished\n")
        self.serves_on(server)
        self.assertEqual(bytes(server.err), b"")

    def test_a_reset_in_mid_exchange_ends_only_that_client(self):
        server = self.server("{}")
        peer = self.connect(server)
        name = name_of(peer)
        talk(peer, b"hello", b"hello")
        kit.reset(peer)
        server.expect(f"server: recv {name}: Connection reset by peer\n", "err")
        self.serves_on(server)

    def test_resets_before_during_and_after_a_message_never_end_it(self):
        server = self.server("{}")
        for _ in range(50):
            kit.reset(self.connect(server))
            peer = self.connect(server)
            peer.sendall(b"x" * 100000)
            kit.reset(peer)
        self.serves_on(server)

    def test_a_server_whose_output_nobody_reads_serves_the_next_client_too(self):
        port = self.closed_output()
        for _ in range(3):
            peer = self.connect(port)
            talk(peer, b"hello", b"hello")
            kit.reset(peer)  # makes it write to stderr as well

    @kit.linux
    def test_20000_connections_in_a_row_leave_nothing_behind(self):
        server = self.server("{}")
        threads, descriptors = kit.threads(server.pid), kit.descriptors(server.pid)

        def rush(count):
            for _ in range(count):
                with socket.socket() as peer:
                    peer.settimeout(kit.PATIENCE)
                    # from an address of its own: the ports that it leaves in TIME_WAIT are nobody else's
                    peer.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
                    peer.bind(("127.0.0.2", 0))
                    peer.connect(server.address)
                    peer.sendall(b"x")
                    if peer.recv(10) != b"x":
                        raise kit.Trouble("no answer")

        def settled():
            return (kit.threads(server.pid) - threads in SPARE_THREADS
                    and kit.descriptors(server.pid) == descriptors)

        total = 20000 // FEWER_TIMES
        rush(total // 10)
        kit.eventually(settled, "threads and descriptors back")
        before = kit.memory(server.pid)
        rush(total - total // 10)
        kit.eventually(settled, "threads and descriptors back")
        grown = kit.memory(server.pid) - before
        self.assertLess(grown, 100000 if kit.SANITIZED else 3000, "KiB more memory")
        server.expect(" finished\n", count=total)

    def ends_on(self, number, busy_with):
        """With clients connected the signal ends the server, exit status 0, within a second: the best
        of three tries, for the machine may be loaded."""
        taken = []
        for _ in range(3):
            server = self.server("{}")
            peers = busy_with(server)
            start = time.monotonic()
            status = server.stop(number)
            taken.append(time.monotonic() - start)
            self.assertEqual((status, bytes(server.err)), (0, b""))
            for peer in peers:
                peer.close()
            if taken[-1] < SECOND:
                return
        self.fail(f"it took {taken} seconds to end")

    def some_clients(self, server):
        """One client in conversation, two that have just come."""
        peers = [self.connect(server) for _ in range(3)]
        talk(peers[0], b"hello", b"hello")
        return peers

    def stuck_client(self, server):
        """One client that sends until nothing more goes, and reads nothing. Adds .sent to the test."""
        peer = self.connect(server)
        peer.setblocking(False)
        self.sent, block = 0, bytes(range(48, 109)) * 1024
        writable = select.poll()
        writable.register(peer, select.POLLOUT)
        while writable.poll(300):
            self.sent += peer.send(block[self.sent % 61:][:61 * 1000])
        peer.settimeout(kit.PATIENCE)
        return [peer]

    def test_sigterm_ends_it_within_a_second_with_clients_connected(self):
        self.ends_on(signal.SIGTERM, self.some_clients)

    def test_sigint_ends_it_within_a_second_with_clients_connected(self):
        self.ends_on(signal.SIGINT, self.some_clients)

    def test_sigterm_ends_it_while_a_client_does_not_read(self):
        self.ends_on(signal.SIGTERM, self.stuck_client)

    def test_it_starts_again_at_once_with_connections_left_over(self):
        server = self.server("{}")
        host, port = server.address
        peers = self.some_clients(server)
        self.assertEqual(server.stop(), 0)
        again = self.start([*self.command("server"), host, str(port), "{}"])
        self.assertEqual(again.address, (host, port))
        self.serves_on(again)
        self.assertEqual(peers[0].recv(10), b"")  # it was left over all the time

    @kit.linux
    def test_a_stop_or_a_signal_while_a_client_does_not_read_loses_nothing(self):
        server = self.server("{}")
        peer, = self.stuck_client(server)
        kit.disturb(server)
        came = kit.receive_exactly(peer, self.sent)
        pattern = bytes(range(48, 109)) * (self.sent // 61 + 1)
        self.assertTrue(came == pattern[:self.sent])

    @kit.linux
    def test_a_stop_or_a_signal_while_its_output_waits_for_a_reader_loses_nothing(self):
        server, pipe, port = self.into_a_pipe("ok")
        peer = self.connect(port)
        peer.settimeout(0.5)
        sent = 0
        try:
            while True:  # each message is a line of four kilobytes, the pipe holds 64 or so
                talk(peer, b"\0" * 1024, b"ok")
                sent += 1
        except socket.timeout:
            peer.settimeout(kit.PATIENCE)
        kit.disturb(server)
        self.assertIn(b" connected\n", pipe.readline())
        for _ in range(sent + 1):
            self.assertTrue(pipe.readline().endswith(b" sent 1024 bytes: " + rb"\x00" * 1024 + b"\n"))
        self.assertEqual(kit.receive_exactly(peer, 2), b"ok")

    @kit.linux
    def test_without_a_free_descriptor_it_waits_and_serves_again(self):
        server = self.server("{}")
        before, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (kit.descriptors(server.pid), hard))
        peers = [self.connect(server)]  # the accept that waits may have its descriptor already
        if self.lesson == "02_echo_loop":
            server.until(lambda: b" connected\n" in server.out or server.err, "a line")
            peers.pop().close()
        peers.append(self.connect(server))
        server.expect(f"server: accept 127.0.0.1:{server.port}: Too many open files\n", "err")
        kit.disturb(server)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (before, hard))
        for peer in peers:
            talk(peer, b"hello", b"hello")
        self.assertEqual(server.err.count(b"\n"), 1)


class AnyClient:
    """What the clients of 01, 02 and 03 do with a server's bytes and with its silence. (02 and 03 send
    the lines that are typed, 01 its argument: there typing does nothing.)"""

    def answer_line(self, count, text):
        """The line that shows an answer of count bytes."""
        return text + "\n"

    def shows(self, odd):
        """The bytes ODD[odd] as an answer are printed as one whole line."""
        data, text = ODD[odd]

        def play(peer):
            peer.recv(1024)
            peer.sendall(data)
            silent(peer)
        client = self.client(self.peer(play).port)
        client.type("hi\n")
        client.expect("\n" + self.answer_line(len(data), text) if self.lesson == "01_basic"
                      else self.answer_line(len(data), text))
        client.end_input()
        self.assertEqual((client.wait(), client.err), (0, b""))
        self.assertEqual(client.out.count(b"\n"), 2 if self.lesson == "01_basic" else 1)

    def test_nul_bytes_in_an_answer_are_shown(self):
        self.shows("NUL")

    def test_bytes_that_are_no_utf8_in_an_answer_are_shown(self):
        self.shows("no UTF-8")

    def test_terminal_escapes_in_an_answer_are_shown_not_obeyed(self):
        self.shows("escapes")

    def test_text_in_an_answer_is_shown_as_it_is(self):
        self.shows("text")

    def fails(self, play, expected, typed="hi\n", **keywords):
        """Against a server that plays so, the client ends by itself (its input stays open) with exit
        status 1 and says `client: EXPECTED`, where {} is the server's address. Returns its stdout."""
        port = self.peer(play).port
        client = self.client(port, **keywords)
        client.type(typed)
        self.assertEqual(client.wait(), 1)
        self.assertEqual(client.err.decode(), "client: " + expected.format(f"127.0.0.1:{port}") + "\n")
        return client.out.decode()

    gone = "recv {}: the server closed without an answer"

    def test_a_server_gone_before_its_answer_is_named(self):
        self.fails(lambda peer: peer.recv(1024), self.gone)

    def test_a_server_that_resets_is_named(self):
        def play(peer):
            peer.recv(1024)
            kit.reset(peer)
        self.fails(play, "recv {}: Connection reset by peer")

    def test_it_gives_up_on_a_server_that_does_not_answer(self):
        self.fails(silent, "recv {}: " + SILENCE)

    def test_output_into_a_pipe_that_closes_is_an_error(self):
        reading, writing = os.pipe()
        kit.close_reading(reading, writing)

        def play(peer):
            peer.recv(1024)
            peer.sendall(b"get")
            silent(peer)
        try:
            self.fails(play, "write standard output: Broken pipe", stdout=writing)
        finally:
            os.close(writing)

    def test_output_onto_a_full_disk_is_an_error(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("needs /dev/full")

        def play(peer):
            peer.recv(1024)
            peer.sendall(b"get")
            silent(peer)
        with open("/dev/full", "wb") as full:
            self.fails(play, "write standard output: No space left on device", stdout=full)

    def test_a_closed_output_is_an_error_and_not_a_place_for_the_socket(self):
        argv = ["sh", "-c", 'exec "$@" >&-', "sh", *self.command("client"), "127.0.0.1", "1"]
        self.assertEqual(self.run_program(argv),
                         (1, "", "client: write standard output: Bad file descriptor\n"))

    def test_a_closed_stderr_is_not_a_place_for_the_socket(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = str(listener.getsockname()[1])
            self.assertFalse(connects_without_stderr(self, [*self.command("client"), "127.0.0.1", port], listener))

    @kit.linux
    def test_a_stop_or_a_signal_while_it_waits_for_the_answer_changes_nothing(self):
        asked, answer = threading.Event(), threading.Event()

        def play(peer):
            peer.recv(1024)
            asked.set()
            answer.wait(kit.PATIENCE)
            peer.sendall(b"got it")
            silent(peer)
        client = self.client(self.peer(play).port)
        client.type("hi\n")
        asked.wait(kit.PATIENCE)
        kit.disturb(client)
        answer.set()
        client.expect(self.answer_line(6, "got it"))
        client.end_input()
        self.assertEqual((client.wait(), client.err), (0, b""))


class Unreachable:
    """A listening socket whose queue is full: a connect to it waits."""

    silence = SILENCE  # how the client tells it

    @kit.linux
    def test_it_gives_up_on_a_server_that_does_not_accept(self):
        for disturbed in (False, True):  # a signal lets connect be called a second time, which fails otherwise
            with self.subTest(disturbed=disturbed):
                _, port = self.full_listener()
                client = self.client(port)
                kit.eventually(lambda: kit.sockets(client.pid), "the client's socket")
                if disturbed:
                    kit.disturb(client)
                self.assertEqual(client.wait(), 1)
                self.assertEqual(client.err.decode(), f"client: connect 127.0.0.1:{port}: {self.silence}\n")

    @kit.linux
    def test_a_stop_or_a_signal_while_it_connects_changes_nothing(self):
        listener, port = self.full_listener()
        client = self.client(port)
        kit.eventually(lambda: kit.sockets(client.pid), "the client's socket")
        kit.disturb(client)
        listener.settimeout(kit.PATIENCE)

        accepted = []  # all of them stay open
        self.addCleanup(lambda: [peer.close() for peer in accepted])

        def accept_all():
            while True:
                try:
                    accepted.append(listener.accept()[0])
                    accepted[-1].sendall(b"at last")
                except OSError:
                    return  # the case is over
        threading.Thread(target=accept_all, daemon=True).start()
        client.type("hi\n")
        client.expect("at last")


class LineClient(AnyClient):
    """What the clients of 02 and 03 do with the lines that are typed."""

    def test_each_line_goes_out_without_its_newline_byte_for_byte(self):
        lines = [b"hello", b"\xff\xfe\0 no text", b" blank ", "你好".encode(), b"cr\r", b"no newline"]
        came = []

        def play(peer):
            while data := peer.recv(1024):
                came.append(data)
                peer.sendall(b"ok")
        client = self.client(self.peer(play).port)
        for count, line in enumerate(lines[:-1], 1):
            client.type(line + b"\n")
            client.expect("ok\n", count=count)
        client.type(lines[-1])
        client.end_input()
        self.assertEqual((client.wait(), client.err), (0, b""))
        self.assertEqual(came, lines)

    def test_an_empty_line_ends_it(self):
        client = self.client(self.peer(silent).port)
        client.type("\nnever sent\n")
        self.assertEqual((client.wait(), client.out, client.err), (0, b"", b""))

    def test_end_of_input_ends_it(self):
        client = self.client(self.peer(silent).port)
        client.end_input()
        self.assertEqual((client.wait(), client.out, client.err), (0, b"", b""))

    def test_a_line_of_a_mebibyte_goes_out_whole(self):
        line = (bytes(range(48, 109)) * 17190)[:2 ** 20]
        came = []

        def play(peer):
            came.append(kit.receive_exactly(peer, len(line)))
            peer.sendall(b"ok")
            silent(peer)
        client = self.client(self.peer(play).port)
        typing = threading.Thread(target=client.type, args=(line + b"\n",), daemon=True)
        typing.start()
        client.expect("ok\n")
        client.end_input()
        self.assertEqual(client.wait(), 0)
        self.assertTrue(came == [line])

    def test_input_that_cannot_be_read_is_an_error(self):
        with open(os.devnull, "wb") as write_only:
            client = self.client(self.peer(silent).port, stdin=write_only)
            self.assertEqual(client.wait(), 1)
        self.assertEqual(client.err, b"client: read standard input: Bad file descriptor\n")

    @kit.linux
    def test_a_line_too_long_for_memory_is_an_error(self):
        too_long_a_line(self, [*self.command("client"), "127.0.0.1", str(self.server("ok").port)])

    if kit.SANITIZED:
        test_a_line_too_long_for_memory_is_an_error = None  # a sanitizer needs terabytes of addresses

    def typed(self, end):
        """What the client prints when a line and then the end is typed on its terminal."""
        terminal, keyboard = pty.openpty()
        client = self.client(self.server("{}").port, stdin=keyboard)
        os.close(keyboard)
        os.write(terminal, b"hello\n")
        client.expect("hello\n")
        os.write(terminal, end)
        self.assertEqual((client.wait(), client.err), (0, b""))
        os.close(terminal)
        return client.out.decode()

    def test_it_prompts_on_a_terminal_only(self):
        self.assertEqual(self.typed(b"\n"), self.on_a_terminal)

    def test_after_ctrl_d_the_shells_prompt_gets_a_line_of_its_own(self):
        self.assertEqual(self.typed(b"\4"), self.on_a_terminal.rstrip("\n") + "\n")

    def test_a_server_gone_after_its_answer_is_named_when_the_next_line_fails(self):
        def play(peer):
            peer.recv(1024)
            peer.sendall(b"answer")
        port = self.peer(play).port
        client = self.client(port)
        client.type("hi\n")
        client.expect("answer\n")
        client.type("more\nand more\n")
        self.assertEqual(client.wait(), 1)
        self.assertRegex(client.err.decode(), rf"\Aclient: (recv|send) 127\.0\.0\.1:{port}: [^\n]+\n\Z")
        self.assertEqual(client.out, b"answer\n")

    def test_a_server_gone_during_its_answer_is_named(self):
        def play(peer):
            peer.recv(1024)
            peer.sendall(b"ans")
            kit.reset(peer) if peer.recv(1024) else None
        port = self.peer(play).port
        client = self.client(port)
        client.type("hi\n")
        client.expect("ans\n")
        client.type("wer?\n")
        self.assertEqual(client.wait(), 1)
        self.assertEqual(client.err.decode(), f"client: recv 127.0.0.1:{port}: Connection reset by peer\n")

    @kit.linux
    def test_a_stop_or_a_signal_while_it_waits_for_a_line_changes_nothing(self):
        client = self.client(self.server("{}").port)
        client.type("one\n")
        client.expect("one\n")
        kit.disturb(client)
        client.type("two\n")
        client.expect("two\n")
        client.end_input()
        self.assertEqual((client.wait(), client.err), (0, b""))

    def stuck(self):
        """A client that sends a line to a server that does not read it. Returns client, port, event:
        once it is set, the server reads."""
        read = threading.Event()
        size = 2 ** 23

        def play(peer):
            read.wait(3 * kit.PATIENCE)
            try:
                peer.sendall(b"all there" if kit.receive_exactly(peer, size) == b"x" * size else b"damaged")
            except (OSError, kit.Trouble):
                return  # the client has given up
            silent(peer)
        port = self.peer(play).port
        client = self.client(port)
        typing = threading.Thread(target=client.type, args=(b"x" * size + b"\n",), daemon=True)
        typing.start()
        typing.join(kit.PATIENCE)  # it has taken the line, and sends
        return client, port, read

    def test_a_server_that_reads_slowly_is_not_given_up(self):
        size = 11 * 10 ** 6
        peer = self.peer(lambda peer: read_slowly(peer, size))
        peer.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client = self.client(peer.port)
        threading.Thread(target=client.type, args=(b"x" * size + b"\n",), daemon=True).start()
        client.expect("all there\n", patience=3 * kit.PATIENCE)
        client.end_input()
        self.assertEqual((client.wait(), client.err), (0, b""))

    @kit.linux
    def test_a_stop_or_a_signal_while_the_server_does_not_read_loses_nothing(self):
        client, _, read = self.stuck()
        kit.disturb(client)
        read.set()
        client.expect("all there\n")
        client.end_input()
        self.assertEqual((client.wait(), client.err), (0, b""))

    def test_it_gives_up_on_a_server_that_does_not_read(self):
        client, port, read = self.stuck()
        self.assertEqual(client.wait(3 * kit.PATIENCE), 1)  # each part that has room waits anew
        self.assertEqual(client.err.decode(), f"client: send 127.0.0.1:{port}: {SILENCE}\n")
        self.assertEqual(client.out, b"")
        read.set()
