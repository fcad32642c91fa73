"""Lesson 01's exchange in GBK: gbk_server and gbk_client, in C and in Python."""
import socket

import demands
import kit

MESSAGE, REPLY = "你好服务端，我是客户端小黑!", "ok, 问题正在处理中..."
MESSAGE_GBK = bytes.fromhex("c4e3bac3b7fecef1b6cba3acced2cac7bfcdbba7b6cbd0a1bada21")
REPLY_GBK = b"ok, " + bytes.fromhex("ceca cce2 d5fd d4da b4a6 c0ed d6d0") + b"..."
SHOWN = {  # what arrives, and what it means
    "GBK": ("联通 café".encode("gbk"), "联通 café"),  # the first four bytes are valid UTF-8, too
    "no GBK": (b"\xff\x80 \x81\x7f \xc4", r"\xff\x80 \x81\x7f \xc4"),
    "controls": (b"\x1b[2J\n\xc4\xe3\0\t\\", r"\x1b[2J\n你\x00\t\\"),
    "UTF-8": ("你".encode(), "浣" + r"\xa0"),  # mojibake, and half a character
}


def lines(who, data, text):
    """The two lines in which the programs show bytes and what they mean."""
    return f"{who} {len(data)} bytes: {data.hex(' ')}\n{who} in GBK: {text}\n"


class Gbk:
    """What the cases below share."""

    lesson = "01_basic"

    def gbk_server(self, *reply):
        return self.server(*reply, name="gbk_server")

    def gbk_client(self, port, *message):
        return self.client(port, *message, name="gbk_client")

    def refused(self, argv, text):
        """The program encodes nothing, sends nothing, prints nothing, and says why."""
        status, out, err = self.run_program(argv)
        self.assertEqual((status, out), (1, ""), argv)
        self.assertTrue(err.endswith(f": encode {text}: not in GBK\n"), err)


@kit.both
class Originals(Gbk):
    """N4.c and N4.s of originals.md, and the pair."""

    def test_n4_c_gbk_client(self):
        server = self.gbk_server()
        peer = self.connect(server)
        name = demands.name_of(peer)
        demands.talk(peer, MESSAGE_GBK, REPLY_GBK)
        self.assertEqual(peer.recv(1024), b"")
        self.assertEqual((server.wait(), bytes(server.err)), (0, b""))
        self.assertEqual(server.out.decode(), (
            f"listening on 127.0.0.1:{server.port}\n{name} connected\n"
            f"127.0.0.1:{server.port} is this end\n" + lines(f"{name} sent", MESSAGE_GBK, MESSAGE)))

    def test_n4_s_gbk_server(self):
        came = []

        def play(peer):  # one recv(1024), replies in GBK, closes
            came.append(peer.recv(1024))
            peer.sendall(REPLY_GBK)
        client = self.gbk_client(self.peer(play).port)
        self.assertEqual((client.wait(), bytes(client.err)), (0, b""))
        self.assertEqual(came, [MESSAGE_GBK])
        self.assertEqual(client.out.decode().partition("\n")[2],
                         lines("sending", MESSAGE_GBK, MESSAGE) + lines("received", REPLY_GBK, REPLY))

    def test_the_pair(self):
        server = self.gbk_server("收到{}了")
        client = self.gbk_client(server.port, "汉字")
        self.assertEqual((client.wait(), server.wait()), (0, 0))
        self.assertTrue(client.out.decode().endswith(lines("received", "收到汉字了".encode("gbk"),
                                                           "收到汉字了")), client.out)


@kit.both
class Server(Gbk):
    """gbk_server with clients of every kind."""

    def answered(self, reply, message, answer):
        """To the message the server with this REPLY answers exactly so, and ends. Returns it."""
        server = self.gbk_server(reply)
        peer = self.connect(server)
        peer.sendall(message)
        self.assertEqual(kit.receive_all(peer), answer)
        self.assertEqual(server.wait(), 0)
        return server

    def test_braces_are_found_in_the_text_not_in_its_bytes(self):
        self.assertEqual("亄}".encode("gbk"), b"\x81{}")  # the trap
        self.answered("亄}", b"hi", b"\x81{}")
        self.answered("亄{}亇{}", b"hi", b"\x81{hi\x81}{}")
        self.answered("{}", b"{}", b"{}")

    def test_what_arrives_is_shown_as_bytes_and_as_text(self):
        for name, (data, text) in SHOWN.items():
            with self.subTest(name):
                server = self.answered("{}", data, data)
                self.assertTrue(server.out.decode().endswith(f" in GBK: {text}\n"), server.out)
                self.assertIn(f" sent {len(data)} bytes: {data.hex(' ')}\n", server.out.decode())

    def test_half_a_character_at_the_1024th_byte_is_shown_as_its_byte(self):
        server = self.gbk_server()
        peer = self.connect(server)
        peer.sendall(b"x" * 1023 + "你".encode("gbk"))
        self.assertEqual(server.wait(), 0)
        self.assertTrue(server.out.endswith(b"x" * 1023 + b"\\xc4\n"))

    def test_a_reply_that_gbk_cannot_encode_is_refused_at_the_start(self):
        for reply, rest in (("ok 😀!", "😀!"), ("你{}😀", "😀"), (b"a\xff", r"\xff"), (b"\xe4\xbd", r"\xe4\xbd")):
            self.refused([*self.command("gbk_server"), "127.0.0.1", "0", reply], rest)

    def test_a_client_that_leaves_without_a_message_is_an_error(self):
        server = self.gbk_server()
        peer = self.connect(server)
        name = demands.name_of(peer)
        peer.close()
        self.assertEqual(server.wait(), 1)
        self.assertEqual(server.err.decode(),
                         f"gbk_server: recv {name}: the client left without a message\n")

    def test_a_reset_in_mid_exchange_is_an_error(self):
        server = self.gbk_server()
        peer = self.connect(server)
        name = demands.name_of(peer)
        server.expect(f"{name} connected\n")
        kit.reset(peer)
        self.assertEqual(server.wait(), 1)
        self.assertEqual(server.err.decode(), f"gbk_server: recv {name}: Connection reset by peer\n")


@kit.both
class Client(Gbk):
    """gbk_client with servers of every kind."""

    def test_every_fifth_character_of_gbk_goes_out_as_it_should(self):
        characters = []
        for code in range(0x8140, 0xFEFF):
            try:
                characters.append(bytes([code >> 8, code & 255]).decode("gbk"))
            except UnicodeDecodeError:
                pass  # not all pairs are characters
        self.assertGreater(len(characters), 20000)
        text = "".join(characters[::5])
        for start in range(0, len(text), 1300):
            message = text[start:start + 1300]
            came = []

            def play(peer):
                came.append(kit.receive_exactly(peer, 2 * len(message)))
                peer.sendall(b"ok")
                came.append(peer.recv(1024))
            peer = self.peer(play)
            self.assertEqual(self.gbk_client(peer.port, message).wait(), 0)
            peer.close()
            self.assertEqual(came, [message.encode("gbk"), b""])

    def test_an_answer_is_shown_as_bytes_and_as_text(self):
        for name, (data, text) in SHOWN.items():
            with self.subTest(name):
                def play(peer):
                    peer.recv(1024)
                    peer.sendall(data)
                client = self.gbk_client(self.peer(play).port)
                self.assertEqual((client.wait(), bytes(client.err)), (0, b""))
                self.assertTrue(client.out.decode().endswith(lines("received", data, text)), client.out)

    def test_a_message_that_gbk_cannot_encode_is_refused_before_it_connects(self):
        with socket.socket() as bound:  # nobody listens: a connect would be refused, and said
            bound.bind(("127.0.0.1", 0))
            port = str(bound.getsockname()[1])
            for message, rest in (("你😀", "😀"), (b"a\xff", r"\xff"), ("你".encode()[:2], r"\xe4\xbd")):
                self.refused([*self.command("gbk_client"), "127.0.0.1", port, message], rest)

    def fails(self, play, reason):
        """Against a server that plays so the client ends with exit status 1 and says the reason."""
        port = self.peer(play).port
        client = self.gbk_client(port)
        self.assertEqual(client.wait(), 1)
        self.assertEqual(client.err.decode(), f"gbk_client: recv 127.0.0.1:{port}: {reason}\n")

    def test_a_closed_stderr_is_not_a_place_for_the_socket(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            argv = [*self.command("gbk_client"), "127.0.0.1", str(listener.getsockname()[1])]
            self.assertFalse(demands.connects_without_stderr(self, argv, listener))

    def test_a_closed_output_is_an_error_and_nothing_is_sent(self):
        argv = [*self.command("gbk_client"), "127.0.0.1", "1"]  # a connect would be refused, and said
        status, out, err = self.run_program(["sh", "-c", 'exec "$@" >&-', "sh", *argv])
        self.assertEqual((status, out, err), (
            1, "", "gbk_client: write standard output: Bad file descriptor\n"))

    def test_a_server_gone_before_its_answer_is_named(self):
        self.fails(lambda peer: peer.recv(1024), "the server closed without an answer")

    def test_it_gives_up_on_a_server_that_does_not_answer(self):
        self.fails(demands.silent, demands.SILENCE)


@kit.both
class Interface(Gbk):
    """The arguments: those of server and client, the port of the notes' GBK programs."""

    def test_help_shows_the_usage_and_the_defaults_on_stdout(self):
        for program, text in (("gbk_server", REPLY), ("gbk_client", MESSAGE)):
            for option in ("-h", "--help"):
                status, out, err = self.run_program([*self.command(program), option])
                self.assertEqual((status, err), (0, ""))
                self.assertTrue(out.startswith(f"usage: {program} [HOST [PORT ["), out)
                self.assertIn(f"(127.0.0.1 8080 '{text}')\n", out)

    def test_wrong_arguments_are_wrong_usage(self):
        for arguments in ([["127.0.0.1", port] for port in demands.WRONG_PORTS]
                          + [["-x"], ["127.0.0.1", "1", "a", "b"], ["127.0.0.1", "1", "x" * 4096]]):
            for program in ("gbk_server", "gbk_client"):
                status, out, err = self.run_program([*self.command(program), *arguments])
                self.assertEqual((status, out), (2, ""), arguments)
                self.assertTrue(err.startswith(f"usage: {program} "), err)

    def test_an_empty_message_and_port_0_are_wrong_usage_for_the_client(self):
        for arguments in (["127.0.0.1", "1", ""], ["127.0.0.1", "0"]):
            self.assertEqual(self.run_program([*self.command("gbk_client"), *arguments])[0], 2)


@kit.both
class Addresses(Gbk, demands.TCPAddresses):
    """A name with several addresses."""

    programs = ("gbk_server", "gbk_client")


class Same(Gbk, kit.Case):
    """C and Python side by side: what they print is the same."""

    def played(self, server_language, client_language):
        """Run the pair; return what both printed, ports masked."""
        server = self.start([*self.command("gbk_server", server_language), "127.0.0.1", "0", "[{}] 亄}"])
        client = self.start([*self.command("gbk_client", client_language), "127.0.0.1", str(server.port),
                             "亇 café\n\\"])
        self.assertEqual((client.wait(), server.wait(), bytes(client.err + server.err)), (0, 0, b""))
        return kit.masked(server.out), kit.masked(client.out)

    def test_c_and_python_print_the_same_in_every_mixture(self):
        expected = self.played("C", "C")
        self.assertIn("in GBK: [亇 café\\n\\\\] 亄}\n", expected[1].decode())
        for server, client in (("Python", "Python"), ("C", "Python"), ("Python", "C")):
            self.assertEqual(self.played(server, client), expected)
