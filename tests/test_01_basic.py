"""Lesson 01, one exchange: the server and the client, in C and in Python."""

import demands
import kit


@kit.both
class Exchange:
    """One client, one message, one reply."""

    lesson = "01_basic"

    def test_server_and_client_exchange_one_message(self):
        server = self.server()
        client = self.client(server.port)
        self.assertEqual(client.wait(), 0)
        self.assertEqual(server.wait(), 0)
        lines = client.out.decode().splitlines()
        own = lines[0].split()[0]
        self.assertEqual(lines, [f"{own} connected to 127.0.0.1:{server.port}", "received 3 bytes: get"])
        self.assertEqual(server.out.decode().splitlines(), [
            f"listening on 127.0.0.1:{server.port}", f"{own} connected",
            f"127.0.0.1:{server.port} is this end", f"{own} sent 4 bytes: test"])


@kit.both
class Originals:
    """The Python originals of originals.md that lesson 01 meets."""

    lesson = "01_basic"

    def test_n3_1s_chat_v1_server(self):
        came = []

        def play(peer):  # one client, one recv(1024), replies get, ends
            came.append(peer.recv(1024))
            peer.sendall(b"get")
        client = self.client(self.peer(play).port)
        self.assertEqual(client.wait(), 0)
        self.assertEqual(came, [b"test"])
        self.assertTrue(client.out.endswith(b"\nreceived 3 bytes: get\n"), client.out)

    def test_n3_1c_chat_v1_client(self):
        server = self.server()
        with self.connect(server) as peer:  # sends teset, one recv(1024), closes
            peer.sendall(b"teset")
            self.assertEqual(peer.recv(1024), b"get")
            name = demands.name_of(peer)
        self.assertEqual(server.wait(), 0)
        server.expect(f"{name} sent 5 bytes: teset\n")


@kit.both
class Server(demands.AnyServer):
    """The server with clients of every kind; one of them is all that it serves."""

    lesson = "01_basic"

    def test_a_client_that_leaves_without_a_message_is_an_error(self):
        server = self.server()
        peer = self.connect(server)
        name = demands.name_of(peer)
        peer.close()
        self.assertEqual(server.wait(), 1)
        self.assertEqual(server.err.decode(),
                         f"server: recv {name}: the client left without a message\n")

    def test_a_reset_in_mid_exchange_is_an_error(self):
        server = self.server()
        peer = self.connect(server)
        name = demands.name_of(peer)
        server.expect(f"{name} connected\n")
        kit.reset(peer)
        self.assertEqual(server.wait(), 1)
        self.assertEqual(server.err.decode(), f"server: recv {name}: Connection reset by peer\n")

    def test_a_message_one_byte_at_a_time_is_answered_at_its_first_byte(self):
        server = self.server("Echo: {}")
        peer = self.connect(server)
        demands.talk(peer, b"h", b"Echo: h")
        self.assertEqual(peer.recv(1024), b"")
        self.assertEqual(server.wait(), 0)

    def test_of_a_mebibyte_one_recv_takes_1024_bytes(self):
        server = self.server("{}")
        peer = self.connect(server)
        name = demands.name_of(peer)
        try:
            peer.sendall(b"x" * 2 ** 20)
        except OSError:
            pass  # it closed with most of it unread: a reset
        self.assertEqual(server.wait(), 0)
        server.expect(f"\n{name} sent 1024 bytes: {'x' * 1024}\n")

    def test_a_character_cut_at_the_1024th_byte_is_shown_as_its_bytes(self):
        server = self.server("{}")
        peer = self.connect(server)
        peer.sendall(demands.CUT)
        self.assertEqual(server.wait(), 0)
        server.expect(f"{demands.name_of(peer)} sent 1024 bytes: {demands.CUT_SHOWN[0]}\n")


@kit.both
class Client(demands.AnyClient, demands.Unreachable):
    """The client with servers of every kind."""

    lesson = "01_basic"

    def answer_line(self, count, text):
        return f"received {count} bytes: {text}\n"

    def answered(self, first, rest=b""):
        """What the client prints when the server sends `first` at once, the rest when it has gone."""
        def play(peer):
            peer.sendall(first)
            try:
                demands.silent(peer)
                peer.sendall(rest)
            except OSError:
                pass  # the client has gone, with something unread
        client = self.client(self.peer(play).port)
        self.assertEqual((client.wait(), client.err), (0, b""))
        return client.out.decode().partition("\n")[2]

    def test_of_an_answer_in_pieces_it_prints_the_first(self):
        self.assertEqual(self.answered(b"first", b"second"), "received 5 bytes: first\n")

    def test_what_a_server_says_first_is_the_answer(self):
        self.assertEqual(self.answered(b"Welcom"), "received 6 bytes: Welcom\n")

    def test_of_a_long_answer_one_recv_takes_1024_bytes_and_may_cut_a_character(self):
        self.assertEqual(self.answered(demands.CUT), f"received 1024 bytes: {demands.CUT_SHOWN[0]}\n")

    def test_the_message_goes_out_byte_for_byte(self):
        for message in ("你好", b"\xff\xfe no text", "two\nlines\n", "x" * 100000):
            came = []
            size = len(message if isinstance(message, bytes) else message.encode())

            def play(peer):
                came.append(kit.receive_exactly(peer, size))
                peer.sendall(b"get")
                came.append(peer.recv(1024))
            peer = self.peer(play)
            self.assertEqual(self.client(peer.port, message).wait(), 0)
            peer.close()
            self.assertEqual(came, [message if isinstance(message, bytes) else message.encode(), b""])

    def test_an_empty_message_is_wrong_usage(self):
        status, out, err = self.run_program([*self.command("client"), "127.0.0.1", "8080", ""])
        self.assertEqual((status, out), (2, ""))
        self.assertTrue(err.startswith("usage: client "), err)


@kit.both
class Interface(demands.Interface):
    """The arguments of lesson 01."""

    lesson = "01_basic"


@kit.both
class Addresses(demands.TCPAddresses):
    """A name with several addresses."""

    lesson = "01_basic"


class Defaults(demands.Defaults, kit.Case):
    """The defaults of lesson 01."""

    lesson, port = "01_basic", 19527


class Same(demands.Same, kit.Case):
    """Lesson 01 in both languages."""

    lesson = "01_basic"

    def played(self, server_language, client_language):
        printed = []
        for message in self.lines:
            server = self.start([*self.command("server", server_language), "127.0.0.1", "0", self.reply])
            client = self.start([*self.command("client", client_language), "127.0.0.1",
                                 str(server.port), message])
            self.assertEqual((client.wait(), server.wait(), bytes(client.err + server.err)), (0, 0, b""))
            printed += [kit.masked(server.out), kit.masked(client.out)]
        return printed
