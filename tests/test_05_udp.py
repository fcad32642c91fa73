"""Lesson 05, datagrams: the plain pair, the numbered pair and the relay, in C and in Python."""
import contextlib
import errno
import os
import pathlib
import random
import re
import signal
import socket
import sys
import tempfile
import threading

import demands
import kit

LARGEST = 65507  # bytes of text in an IPv4 datagram
USAGES = {
    "server": "usage: server [HOST [PORT [REPLY]]]    (127.0.0.1 19535 'Echo: {}')\n"
              "PORT 0 to 65535, 0: any free one; {} in REPLY: what was received\n",
    "client": "usage: client [HOST [PORT]]    (127.0.0.1 19535)\n"
              "PORT 1 to 65535; sends each line of standard input\n",
}


class Datagrams:
    """What the cases here share."""

    lesson, waits_in = "05_udp", "recv"

    def socket(self, server=None, family=socket.AF_INET):
        """A datagram socket of the test's own, bound to loopback, or connected to a Program."""
        own = socket.socket(family, socket.SOCK_DGRAM)
        self.addCleanup(own.close)
        own.settimeout(kit.PATIENCE)
        if server is None:
            own.bind(("127.0.0.1", 0))
        else:
            own.connect(server.address)
        return own

    def ask(self, own, data):
        """Send data and return the answer."""
        own.send(data)
        return own.recv(65536)

    def play(self, answer):
        """Play the server: answer(socket) runs in a thread; returns the port. An error fails the case."""
        own, trouble = self.socket(), []

        def run():
            try:
                answer(own)
            except BaseException as error:  # noqa: B902 raised below, in the case's own thread
                trouble.append(error)

        def finish():
            thread.join(kit.PATIENCE)
            if trouble:
                raise trouble[0]

        thread = threading.Thread(target=run, daemon=True)
        self.addCleanup(finish)
        thread.start()
        return own.getsockname()[1]

    def talk(self, port, lines, name="client", host="127.0.0.1"):
        """Run the client with these lines; return (status, stdout's lines, stderr)."""
        status, out, err = self.run_program([*self.command(name), host, str(port)], stdin=lines)
        return status, out.splitlines(), err

    def relay(self, server, *options):
        """Start the relay in front of a server."""
        return self.start([sys.executable, str(kit.ROOT / "scripts/lossy_relay.py"), "127.0.0.1",
                           str(server.port), *options])


@kit.both
class Server(Datagrams, demands.LastMoment):
    """The plain server, asked by sockets of the test's own."""

    def test_each_datagram_is_answered_and_logged_with_its_sender_and_length(self):
        server = self.server()
        own, other = self.socket(server), self.socket(server)
        self.assertEqual(self.ask(own, b"hello"), b"Echo: hello")
        self.assertEqual(self.ask(other, "\u4f60\n\x1b\xff".encode("latin-1", "replace")), b"Echo: ?\n\x1b\xff")
        self.assertEqual(self.ask(own, b"x" * 1024), b"Echo: " + b"x" * 1024)
        first, second = (f"127.0.0.1:{s.getsockname()[1]}" for s in (own, other))
        self.assertEqual(server.stop(), 0)
        self.assertEqual(server.out.decode().splitlines()[1:], [
            f"{first} sent 5 bytes: hello", f"{second} sent 4 bytes: ?\\n\\x1b\\xff",
            f"{first} sent 1024 bytes: {'x' * 1024}"])
        self.assertEqual(server.err, b"")

    def test_an_empty_datagram_is_data(self):
        server = self.server()
        own = self.socket(server)
        self.assertEqual(self.ask(own, b""), b"Echo: ")
        server.expect("sent 0 bytes: \n")
        self.assertEqual(self.ask(own, b"still here"), b"Echo: still here")

    def test_an_empty_reply_is_an_empty_datagram(self):
        self.assertEqual(self.ask(self.socket(self.server("{}")), b""), b"")

    def test_a_reply_without_braces_is_sent_as_it_is_and_only_the_first_pair_is_filled(self):
        self.assertEqual(self.ask(self.socket(self.server("got it")), b"x"), b"got it")
        self.assertEqual(self.ask(self.socket(self.server("<{}> {}")), b"{}"), b"<{}> {}")

    def test_the_largest_datagram_is_reported_as_cut_and_its_first_1024_bytes_answered(self):
        server = self.server()
        own = self.socket(server)
        for size in (1025, LARGEST):
            self.assertEqual(self.ask(own, b"a" * 1024 + b"b" * (size - 1024)), b"Echo: " + b"a" * 1024)
            length = size if sys.platform == "linux" else "at least 1025"
            server.expect(f"sent {length} bytes, cut off after 1024: {'a' * 1024}\n")
        self.assertNotIn(b"b" * 10, server.out)

    def test_a_reply_too_long_for_a_datagram_is_reported_and_not_sent_and_the_server_goes_on(self):
        server = self.server("r" * (LARGEST - 7) + "{}")
        own = self.socket(server)
        own.send(b"8 bytes!")
        server.expect(f"sendto 127.0.0.1:{own.getsockname()[1]}: Message too long\n", "err")
        self.assertEqual(self.ask(own, b"7 bytes"), b"r" * (LARGEST - 7) + b"7 bytes")

    def test_garbage_and_senders_that_have_gone_do_not_end_it(self):
        server, chance = self.server(), random.Random(5)
        for number in range(200):
            gone = self.socket(server)
            gone.send(bytes(chance.randrange(256) for _ in range(chance.randrange(1500))))
            gone.close()
            server.expect("\n", count=number + 2)  # a line each: faster than read, they would be dropped
        self.assertEqual(self.ask(self.socket(server), b"still here"), b"Echo: still here")
        server.expect("sent 10 bytes: still here\n")
        server.out.decode("utf-8")
        self.assertIsNone(re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", server.out))

    def test_it_serves_on_when_nobody_reads_its_output(self):
        server = self.server()
        server.close_output()
        own = self.socket(server)
        for _ in range(3):
            self.assertEqual(self.ask(own, b"x"), b"Echo: x")

    def test_it_ends_on_both_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            server = self.server()
            self.assertEqual(self.ask(self.socket(server), b"x"), b"Echo: x")
            self.assertEqual(server.stop(number), 0)

    def test_ipv6(self):
        server = self.server(host="::1")
        self.assertIn(f"listening on [::1]:{server.port}\n".encode(), server.out)
        self.assertEqual(self.talk(server.port, "six\n", host="::1"), (0, ["Echo: six"], ""))
        server.expect("sent 3 bytes: six\n")
        self.assertRegex(server.out.decode(), r"\n\[::1\]:\d+ sent 3 bytes")

    def test_every_address_of_ipv6_serves_ipv4_too(self):
        server = self.server(host="::")
        for host in ("::1", "127.0.0.1"):
            self.assertEqual(self.talk(server.port, "x\n", host=host), (0, ["Echo: x"], ""))

    def test_two_servers_cannot_have_one_port(self):
        server = self.server()
        status, out, err = self.run_program([*self.command("server"), "127.0.0.1", str(server.port)])
        self.assertEqual((status, out), (1, ""))
        self.assertEqual(err, f"server: bind 127.0.0.1:{server.port}: Address already in use\n")

    def test_c_and_python_understand_each_other(self):
        server = self.server()
        for language in ("C", "Python"):
            argv = [*self.command("client", language), "127.0.0.1", str(server.port)]
            self.assertEqual(self.run_program(argv, stdin="one\n\ntwo"), (0, "Echo: one\nEcho: \nEcho: two\n", ""))


@kit.both
class Client(Datagrams):
    """The plain client, against the server and against players."""

    def test_a_line_is_a_datagram_and_an_empty_line_an_empty_one(self):
        server = self.server()
        self.assertEqual(self.talk(server.port, "hello\n\n\u4f60\u597d \\\nlast"),
                         (0, ["Echo: hello", "Echo: ", "Echo: \u4f60\u597d \\\\", "Echo: last"], ""))
        self.assertEqual(server.stop(), 0)
        self.assertEqual([line.split(" sent ")[1] for line in server.out.decode().splitlines()[1:]],
                         ["5 bytes: hello", "0 bytes: ", "8 bytes: \u4f60\u597d \\\\", "4 bytes: last"])

    def test_no_lines_no_datagrams(self):
        self.assertEqual(self.talk(self.socket().getsockname()[1], ""), (0, [], ""))

    def test_an_empty_answer_is_an_empty_line(self):
        self.assertEqual(self.talk(self.server("{}").port, "\nx\n"), (0, ["", "x"], ""))

    def test_the_largest_line_goes_and_a_longer_one_is_refused(self):
        server = self.server("{}")
        port = server.port
        status, out, err = self.talk(port, "a" * LARGEST + "\n")
        server.expect(f"sent {LARGEST} bytes" if sys.platform == "linux" else "sent at least 1025 bytes")
        self.assertEqual((status, out, err), (0, ["a" * 1024], ""))
        self.assertEqual(self.talk(port, "a" * (LARGEST + 1) + "\nnot sent\n"),
                         (1, [], f"client: send 127.0.0.1:{port}: Message too long\n"))

    def test_a_cut_answer_is_reported(self):
        port = self.server("c" * 3000).port
        length = "3000" if sys.platform == "linux" else "at least 1025"
        self.assertEqual(self.talk(port, "x\n"), (
            1, ["c" * 1024], f"client: recv 127.0.0.1:{port}: an answer of {length} bytes, cut off after 1024\n"))

    def test_nobody_there_is_refused(self):
        gone = self.socket()
        port = gone.getsockname()[1]
        gone.close()
        self.assertEqual(self.talk(port, "x\n"),
                         (1, [], f"client: recv 127.0.0.1:{port}: Connection refused\n"))

    def test_a_silent_server_is_asked_three_times_and_given_up(self):
        silent = self.socket()
        port = silent.getsockname()[1]
        status, out, err = self.talk(port, "anyone?\nnot sent\n")
        self.assertEqual((status, out), (1, []))
        self.assertEqual(err, f"client: recv 127.0.0.1:{port}: no answer, sent 3 times, 1 second each\n")
        silent.setblocking(False)
        self.assertEqual([silent.recv(100) for _ in range(3)], [b"anyone?"] * 3)
        self.assertRaises(BlockingIOError, silent.recv, 100)

    def test_the_second_sending_is_answered(self):
        def answer(own):
            first, _ = own.recvfrom(100)
            second, client = own.recvfrom(100)
            own.sendto(first + second, client)
        self.assertEqual(self.talk(self.play(answer), "x\n"), (0, ["xx"], ""))

    def test_a_strangers_datagram_is_ignored(self):
        stranger = self.socket()

        def answer(own):
            _, client = own.recvfrom(100)
            for _ in range(5):
                stranger.sendto(b"forged", client)
            own.sendto(b"true", client)
        self.assertEqual(self.talk(self.play(answer), "x\n"), (0, ["true"], ""))

    def test_a_late_answer_is_not_taken_for_the_next_lines(self):
        def answer(own):
            first, client = own.recvfrom(100)
            again, _ = own.recvfrom(100)  # sent again, for want of an answer
            own.sendto(b"1: " + again, client)
            second, new = own.recvfrom(100)
            own.sendto(b"late: " + first, client)  # when line 2 has long gone
            own.sendto(b"2: " + second, new)
        self.assertEqual(self.talk(self.play(answer), "a\nb\n"), (0, ["1: a", "2: b"], ""))

    def test_a_doubled_answer_is_not_taken_for_the_next_lines(self):
        def answer(own):
            for _ in range(3):
                line, client = own.recvfrom(100)
                for _ in range(3):
                    own.sendto(b"to " + line, client)
        self.assertEqual(self.talk(self.play(answer), "a\nb\nc\n"), (0, ["to a", "to b", "to c"], ""))

    def test_a_server_restarted_between_two_lines_is_no_trouble(self):
        server = self.server()
        client = self.client(server.port)
        client.type("one\n")
        client.expect("Echo: one\n")
        self.assertEqual(server.stop(), 0)
        server = self.start([*self.command("server"), "127.0.0.1", str(server.port), "again: {}"])
        server.expect("listening on")
        client.type("two\n")
        client.expect("again: two\n")
        client.end_input()
        self.assertEqual((client.wait(), bytes(client.err)), (0, b""))

    def test_a_name_is_tried_with_all_its_addresses(self):
        self.assertEqual(self.talk(self.server().port, "x\ny\n", host="localhost"),
                         (0, ["Echo: x", "Echo: y"], ""))

    def test_an_unknown_name(self):
        status, out, err = self.talk(1, "x\n", host="no such name")
        self.assertEqual((status, out), (1, []))
        self.assertRegex(err, r"^client: resolve no such name: .+\n$")

    def test_output_that_cannot_be_written_is_said(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("needs /dev/full, which Linux has")
        with open("/dev/full", "wb") as full:
            client = self.client(self.server().port, stdout=full)
        client.type("x\n")
        client.end_input()
        self.assertEqual((client.wait(), bytes(client.err)),
                         (1, b"client: write standard output: No space left on device\n"))

    def test_a_closed_input_or_output_is_an_error_and_nothing_is_sent(self):
        for name in ("client", "numbered_client"):
            for closed, what in (("<&-", "read standard input"), (">&-", "write standard output")):
                argv = [*self.command(name), "no such name", "1"]
                status, out, err = self.run_program(["sh", "-c", f'exec "$@" {closed}', "sh", *argv])
                self.assertEqual((status, out, err), (1, "", f"{name}: {what}: Bad file descriptor\n"))

    def test_a_closed_standard_error_is_no_place_for_the_socket(self):
        for name in ("client", "numbered_client"):
            port = str(self.server(name=name.replace("client", "server")).port)
            argv = ["sh", "-c", 'exec "$@" 2>&-', "sh", *self.command(name), "127.0.0.1", port]
            self.assertEqual(self.run_program(argv, "x\n"), (1, "", ""))

    @kit.linux
    def test_a_line_too_long_for_memory_is_an_error(self):
        for name in ("client", "numbered_client"):
            with open("/dev/zero", "rb") as endless:
                program = self.start([*kit.limited("-v 100000"), *self.command(name), "127.0.0.1", "1"], stdin=endless)
            self.assertEqual((program.wait(), bytes(program.out), bytes(program.err)), (
                1, b"", f"{name}: read standard input: {os.strerror(errno.ENOMEM)}\n".encode()))

    if kit.SANITIZED:
        test_a_line_too_long_for_memory_is_an_error = None  # a sanitizer needs terabytes of addresses

    def test_the_prompt_is_for_terminals(self):
        for name in ("client", "numbered_client"):
            server = self.server(name=name.replace("client", "server"))
            terminal, stdin = os.openpty()
            self.addCleanup(os.close, terminal)
            client = self.client(server.port, name=name, stdin=stdin)
            os.close(stdin)
            client.expect("message (Ctrl-D ends): ")
            os.write(terminal, b"x\n")
            client.expect("Echo: x\nmessage (Ctrl-D ends): ")
            os.write(terminal, b"\x04")
            self.assertEqual((client.wait(), bytes(client.err)), (0, b""))
            self.assertTrue(client.out.endswith(b": \n"))  # the shell's prompt gets a line of its own

    def test_usage(self):
        for name in ("server", "client", "numbered_server", "numbered_client"):
            usage = USAGES[name.split("_")[-1]].replace("usage: ", "usage: numbered_" if "_" in name else "usage: ")
            surplus = ["127.0.0.1", "19535", "x", "y"] if "server" in name else ["127.0.0.1", "19535", "x"]
            wrong = [["-x"], ["--help", "x"], ["127.0.0.1", "65536"], ["127.0.0.1", "-1"], ["127.0.0.1", ""],
                     ["127.0.0.1", "1x"], surplus]
            if "client" in name:
                wrong.append(["127.0.0.1", "0"])
            for arguments in [["-h"], ["--help"], *wrong]:
                right = arguments[0] in ("-h", "--help")
                with self.subTest(name=name, arguments=arguments):
                    self.assertEqual(self.run_program([*self.command(name), *arguments]),
                                     (0, usage, "") if right else (2, "", usage))


@kit.both
class Numbered(Datagrams, demands.LastMoment):
    """The numbered pair."""

    waits = ("numbered_server", "127.0.0.1", "0")

    def talk(self, port, lines, name="numbered_client", host="127.0.0.1"):
        return super().talk(port, lines, name, host)

    def test_the_number_goes_and_comes_in_network_byte_order(self):
        server = self.server(name="numbered_server")
        own = self.socket(server)
        self.assertEqual(self.ask(own, b"\x01\x02\x03\x04hi"), b"\x01\x02\x03\x04Echo: hi")
        server.expect(f"127.0.0.1:{own.getsockname()[1]} sent number 16909060, 2 bytes: hi\n")
        own.send(b"\x00\x00\x01")
        server.expect("sent 3 bytes, too few for a number: \\x00\\x00\\x01\n")
        self.assertEqual(self.ask(own, b"\xff\xff\xff\xff"), b"\xff\xff\xff\xffEcho: ")  # and nothing before it
        server.expect("sent number 4294967295, 0 bytes: \n")

    def test_a_cut_datagram(self):
        server = self.server(name="numbered_server")
        self.assertEqual(self.ask(self.socket(server), b"\0\0\0\1" + b"a" * 3000), b"\0\0\0\1Echo: " + b"a" * 1020)
        server.expect(f"{'3000' if sys.platform == 'linux' else 'at least 1021'} bytes, cut off after 1020: a")

    def test_lines_and_answers(self):
        server = self.server(name="numbered_server")
        self.assertEqual(self.talk(server.port, "one\n\ntwo"), (0, ["Echo: one", "Echo: ", "Echo: two"], ""))
        self.assertEqual(server.stop(), 0)
        lines = server.out.decode().splitlines()[1:]
        self.assertEqual([line.split(" sent ")[1] for line in lines],
                         ["number 1, 3 bytes: one", "number 2, 0 bytes: ", "number 3, 3 bytes: two"])
        self.assertEqual(len({line.split()[0] for line in lines}), 1)  # one socket for all

    def test_answers_to_other_numbers_are_dropped(self):
        def answer(own):
            line, client = own.recvfrom(100)
            own.sendto(line, client)
            own.sendto(line[:4] + b"late", client)
            own.sendto(b"abc", client)
            line, client = own.recvfrom(100)
            own.sendto(line[:4] + b"true", client)
        port = self.play(answer)
        self.assertEqual(self.talk(port, "a\nb\n"), (
            0, ["a", "true"],
            f"numbered_client: recv 127.0.0.1:{port}: dropped what is no answer to number 2\n" * 2))

    def test_a_flood_of_wrong_answers_does_not_hold_it(self):
        done = threading.Event()

        def answer(own):
            _, client = own.recvfrom(100)
            while not done.wait(0.05):
                own.sendto(b"\0\0\0\0flood", client)
        port = self.play(answer)
        status, out, err = self.talk(port, "x\n")
        done.set()
        self.assertEqual((status, out), (1, []))
        self.assertIn("no answer, sent 3 times", err)

    def test_nobody_there_is_refused(self):
        gone = self.socket()
        port = gone.getsockname()[1]
        gone.close()
        self.assertEqual(self.talk(port, "x\n"),
                         (1, [], f"numbered_client: recv 127.0.0.1:{port}: Connection refused\n"))


@kit.both
class Addresses(demands.Addresses):
    """A name with several addresses. A port that is only bound takes datagrams and stays silent."""

    lesson, kind = "05_udp", socket.SOCK_DGRAM
    dead = "recv {}: no answer, sent 3 times, 1 second each"

    def two_lines(self, dead):
        """Two lines to the name, of which first one and then the other address has no server: dead()
        does with the socket there what is to be done. All are answered. Returns these sockets."""
        addresses, sockets = ("127.0.0.5", "127.0.0.6"), []
        under = self.naming(self.name, *addresses)
        for live, other in (addresses, addresses[::-1]):
            held, port = self.held(addresses)
            held[live].close()
            server = self.start([*self.command(self.programs[0]), live, str(port)])
            server.expect("listening on ")
            dead(held[other])
            self.assertEqual(self.run_program([*under, *self.command(self.programs[1]), self.name, str(port)], b"one\ntwo\n"),
                             (0, "Echo: one\nEcho: two\n", ""))
            sockets.append(held[other])
        return sockets

    def test_an_address_that_refuses_is_passed_over(self):
        self.two_lines(socket.socket.close)

    def test_an_address_that_is_silent_gets_the_first_line_only(self):
        came = []
        for dead in self.two_lines(lambda dead: dead.setblocking(False)):
            came.append([])
            with contextlib.suppress(BlockingIOError):
                while True:
                    came[-1].append(dead.recv(1024)[-3:])
        self.assertEqual(sorted(came), [[], [b"one"] * 3])  # in one of the two it was the second address


@kit.both
class NumberedAddresses(Addresses):
    """The same of the numbered pair."""

    programs = ("numbered_server", "numbered_client")


@kit.both
class Lossy(Datagrams):
    """Both pairs through the relay. Seeds with which no line loses all of its three sendings."""

    LINES = [f"line {number}" for number in range(8)]

    def through(self, prefix, *options):
        """Talk through the relay; returns the client's stderr and what each way counted."""
        server = self.server(name=prefix + "server")
        relay = self.relay(server, *options)
        status, out, err = self.talk(relay.port, "\n".join(self.LINES), name=prefix + "client")
        self.assertEqual(relay.stop(), 0)
        self.assertEqual((status, out), (0, ["Echo: " + line for line in self.LINES]), err)
        return err, re.findall(r"^to the \w+: (\d+) datagrams(?:, (\d+) dropped)?(?:, (\d+) doubled)?",
                               relay.out.decode(), re.M)

    def test_loss_of_30_percent(self):
        for prefix in ("", "numbered_"):
            err, ways = self.through(prefix, "--drop", "0.3", "--seed", "29")
            self.assertEqual(err, "")
            self.assertEqual(len(ways), 2)
            self.assertGreater(sum(int(dropped or 0) for _, dropped, _ in ways), 0)
            self.assertGreater(int(ways[0][0]), len(self.LINES))  # some had to be sent again

    def test_everything_doubled(self):
        for prefix in ("", "numbered_"):
            err, ways = self.through(prefix, "--double", "1")
            self.assertEqual([int(doubled) for _, _, doubled in ways][0], len(self.LINES))
            self.assertEqual("dropped what" in err, prefix != "")  # three answers too many for each line

    def test_everything_swapped_and_delayed(self):
        for options in (("--swap", "0.5"), ("--delay", "0.5", "--by", "0.1")):
            self.through("", *options)
            self.through("numbered_", *options)


class Calls(Datagrams, kit.Case):
    """The system calls of the C server."""

    @kit.needs("strace")
    def test_two_calls_a_datagram_and_one_for_the_printed_line(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        log = pathlib.Path(folder.name, "calls")
        # -D: the server is our child, and strace its helper
        server = self.server(under=("strace", "-D", "-o", str(log)))
        own = self.socket(server)
        for _ in range(10):
            self.ask(own, b"hello")
        self.assertEqual(server.stop(), 0)
        server.until(lambda: "+++ exited" in log.read_text(), "the end of the log")
        names = re.findall(r"^(\w+)\(", log.read_text().split("listening on", 1)[1], re.M)
        later = names[names.index("sendto") + 1:]  # the first may make the runtime ask for memory
        self.assertEqual(later[:27], ["recvfrom", "write", "sendto"] * 9)


class Relay(Datagrams, kit.Case):
    """The relay by itself."""

    def pass_through(self, *options, lines=40):
        """Send numbered datagrams to a socket behind the relay; return what came, and the relay."""
        behind = self.socket()
        relay = self.start([sys.executable, str(kit.ROOT / "scripts/lossy_relay.py"), "127.0.0.1",
                            str(behind.getsockname()[1]), *options])
        own = self.socket(relay)
        for number in range(lines):
            own.send(b"%d" % number)
            relay.expect("to the server:", count=number + 1)
        own.send(b"")  # once this is out, all else is
        relay.expect("to the server: 0 bytes")
        relay.stop()
        behind.setblocking(False)
        came = []
        while True:
            try:
                came.append(behind.recv(100))
            except BlockingIOError:
                return came, relay

    def test_nothing_asked_nothing_changed(self):
        came, relay = self.pass_through()
        self.assertEqual(came, [b"%d" % number for number in range(40)] + [b""])
        relay.expect("to the server: 41 datagrams\n")

    def test_the_seed_decides(self):
        one, again, other = (self.pass_through("--drop", "0.4", "--double", "0.4", "--seed", seed)[0]
                             for seed in ("1", "1", "2"))
        self.assertEqual(one, again)
        self.assertNotEqual(one, other)
        self.assertLess(len(set(one)), 41)
        self.assertGreater(len(one), len(set(one)))

    def test_swapped_datagrams_come_after_their_followers(self):
        came, _ = self.pass_through("--swap", "0.5", lines=20)
        numbers = [int(data) for data in came if data]
        self.assertNotEqual(numbers, sorted(numbers))

    def test_wrong_usage(self):
        argv = [sys.executable, str(kit.ROOT / "scripts/lossy_relay.py")]
        self.assertEqual(self.run_program([*argv, "--drop", "1.5"])[0], 2)
        self.assertIn("--seed", self.run_program([*argv, "--help"])[1])
