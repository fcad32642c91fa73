"""Lesson 02, a conversation, client after client: the server and the client, in C and in Python."""
import demands
import kit

REPLY = "收到你的消息"
PROMPT = "message (an empty line ends): "


@kit.both
class Conversation:
    """The pair, client after client."""

    lesson = "02_echo_loop"

    def test_each_line_is_answered_client_after_client(self):
        server = self.server()
        for lines in (["hello", "how are you?"], ["my turn"]):
            client = self.client(server.port)
            for line in lines:
                client.type(line + "\n")
                client.expect(f"Echo: {line}\n")
            client.end_input()
            self.assertEqual(client.wait(), 0)
            self.assertEqual(client.out.decode(), "".join(f"Echo: {line}\n" for line in lines))
        server.expect(" finished\n", count=2)
        self.assertEqual((server.stop(), bytes(server.err)), (0, b""))

    def test_a_second_client_waits_until_the_first_leaves(self):
        server = self.server()
        first, second = self.connect(server), self.connect(server)
        second.sendall(b"second")
        demands.talk(first, b"first", b"Echo: first")
        self.assertNotIn(demands.name_of(second).encode(), server.out)
        first.close()
        self.assertEqual(kit.receive_exactly(second, 12), b"Echo: second")


@kit.both
class Originals:
    """The Python originals of originals.md that lesson 02 meets."""

    lesson = "02_echo_loop"

    def talks(self, play, lines, answers, host="127.0.0.1"):
        """The client, typed the lines, must print the answers against a server that plays so."""
        client = self.client(self.peer(play).port, host=host)
        for count, line in enumerate(lines, 1):
            client.type(line + "\n")
            client.until(lambda: client.out.count(b"\n") >= count, "an answer")
        client.end_input()
        self.assertEqual((client.wait(), client.err), (0, b""))
        self.assertEqual(client.out.decode().splitlines(), answers)

    def test_n1_s_echo_server(self):
        came = []

        def play(peer):  # each recv(1024) is answered Echo: + the bytes; ends at EOF
            while data := peer.recv(1024):
                came.append(data)
                peer.sendall(b"Echo: " + data)
        self.talks(play, ["Hello, server!", "again"], ["Echo: Hello, server!", "Echo: again"], "localhost")
        self.assertEqual(came, [b"Hello, server!", b"again"])

    def test_n1_c_echo_client(self):
        server = self.server()
        with self.connect(server) as peer:  # sends, one recv(1024), closes
            peer.sendall(b"Hello, server!")
            self.assertEqual(peer.recv(1024), b"Echo: Hello, server!")
            name = demands.name_of(peer)
        server.expect(f"{name} connected\n{name} sent 14 bytes: Hello, server!\n{name} finished\n")

    def test_n3_2s_chat_v2_server(self):
        def play(peer):  # decoded as UTF-8, answered with the text behind
            while data := peer.recv(1024):
                peer.sendall((REPLY + data.decode()).encode())
        self.talks(play, ["你好", "hi"], [REPLY + "你好", REPLY + "hi"])

    def test_n3_5c_chat_client(self):
        server = self.server(REPLY + "{}")
        with self.connect(server) as peer:  # a line, recv(1024), print; an empty one ends
            for text in ("你好", "hi", "再见"):
                peer.sendall(text.encode())
                answer = peer.recv(1024)
                self.assertEqual(answer, (REPLY + text).encode())
                self.assertEqual(len(answer), len(text.encode()) + 18)
        server.expect(" sent 6 bytes: 再见\n")


@kit.both
class Server(demands.LoopingServer):
    """The server with clients of every kind."""

    lesson = "02_echo_loop"


@kit.both
class Client(demands.LineClient):
    """The client with servers of every kind."""

    lesson, on_a_terminal = "02_echo_loop", PROMPT + "hello\n" + PROMPT

    def test_what_comes_in_pieces_or_unasked_counts_as_the_next_answer(self):
        came = []

        def play(peer):
            peer.sendall(b"Welcom")
            came.append(kit.receive_exactly(peer, 6))  # the greeting was the answer to the first line
            peer.sendall(b"late")
            demands.silent(peer)
        client = self.client(self.peer(play).port)
        client.type("one\n")
        client.expect("Welcom\n")
        client.type("two\n")
        client.expect("late\n")
        client.end_input()
        self.assertEqual(client.wait(), 0)
        self.assertEqual((came, client.out), ([b"onetwo"], b"Welcom\nlate\n"))


@kit.both
class Interface(demands.Interface):
    """The arguments of lesson 02."""

    lesson, surplus = "02_echo_loop", {"server": 4, "client": 3}


@kit.both
class Addresses(demands.TCPAddresses):
    """A name with several addresses."""

    lesson = "02_echo_loop"


class Defaults(demands.Defaults, kit.Case):
    """The defaults of lesson 02."""

    lesson, port = "02_echo_loop", 19534


class Same(demands.Same, kit.Case):
    """Lesson 02 in both languages."""

    lesson = "02_echo_loop"
