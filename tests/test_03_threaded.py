"""Lesson 03, many clients at once: the server and the client, in C and in Python."""
import fcntl
import os
import signal
import subprocess
import tempfile
import threading
import time

import demands
import kit

REPLY = "收到你的消息"
BUSY = b"server busy, try again later\n"


@kit.both
class Conversation:
    """The pair: many at once, the greeting, `exit`."""

    lesson = "03_threaded"

    def test_two_clients_talk_at_the_same_time(self):
        server = self.server()
        clients = [self.client(server.port) for _ in range(2)]
        for count in (1, 2):
            for client in clients:
                client.type("hello\n")
                client.expect("Echo: hello\n", count=count)
        for client in clients:
            client.end_input()
            self.assertEqual((client.wait(), client.err), (0, b""))
        server.expect(" finished\n", count=2)
        self.assertEqual((server.stop(), bytes(server.err)), (0, b""))

    def test_exactly_exit_ends_that_conversation(self):
        server = self.server("{}")
        other, peer = self.connect(server), self.connect(server)
        for text in (b"exit\n", b"Exit", b" exit", b"exi"):
            demands.talk(peer, text, text)
        peer.sendall(b"exit")
        self.assertEqual(peer.recv(1024), b"")
        name = demands.name_of(peer)
        server.expect(f"{name} sent 4 bytes: exit\n{name} finished\n")
        demands.talk(other, b"still here", b"still here")

    def test_the_client_may_type_exit(self):
        client = self.client(self.server("{}").port)
        client.type("exit\n")
        self.assertEqual((client.wait(), client.out, client.err), (0, b"", b""))

    def test_the_greeting_comes_first_and_is_literal(self):
        server = self.server("{}", "hello {}!")
        peer = self.connect(server)
        self.assertEqual(kit.receive_exactly(peer, 9), b"hello {}!")
        demands.talk(peer, b"x", b"x")

    def test_the_end_of_input_does_not_cut_off_what_still_comes(self):
        def play(peer):
            demands.silent(peer)  # until the client shuts its sending side
            peer.sendall(b"the last word")
        client = self.client(self.peer(play).port)
        client.type("hi\n")
        client.end_input()
        self.assertEqual((client.wait(), client.out, client.err), (0, b"the last word\n", b""))


@kit.both
class Originals:
    """The Python originals of originals.md that lesson 03 meets."""

    lesson = "03_threaded"

    def talks(self, play, lines, answers, first=""):
        """The client, typed the lines, must print each answer against a server that plays so."""
        client = self.client(self.peer(play).port)
        client.expect(first)
        for count, line in enumerate(lines, 1 + len(first.splitlines())):
            client.type(line + "\n")
            client.until(lambda: client.out.count(b"\n") >= count, "an answer")
        return client, first + "".join(answer + "\n" for answer in answers)

    def ends(self, client, expected):
        """The client must end well, having printed that."""
        self.assertEqual((client.wait(), client.err, client.out.decode()), (0, b"", expected))

    def test_n0_s_server_that_greets(self):
        came = []

        def play(peer):  # Welcom; empty or exactly exit ends, else hello, <text>!
            peer.sendall(b"Welcom")
            while True:
                came.append(peer.recv(1024))
                if came[-1] in (b"", b"exit"):
                    return
                peer.sendall(b"hello, " + came[-1] + b"!")
        client, expected = self.talks(play, ["hzh", "你好"], ["hello, hzh!", "hello, 你好!"], "Welcom\n")
        client.type("exit\n")
        self.ends(client, expected)
        self.assertEqual(came, [b"hzh", "你好".encode(), b"exit"])

    def test_n0_c_client_that_listens_first(self):
        server = self.server("hello, {}!", "Welcom")
        with self.connect(server) as peer:  # recv(1024), send hzh, forever
            came = []
            for _ in range(4):
                came.append(peer.recv(1024))
                peer.sendall(b"hzh")
        self.assertEqual(came, [b"Welcom"] + 3 * [b"hello, hzh!"])
        server.expect(" sent 3 bytes: hzh\n", count=3)

    def test_n3_5s_chat_v5_server(self):
        def play(peer):
            while data := peer.recv(1024):
                peer.sendall((REPLY + data.decode()).encode())
        client, expected = self.talks(play, ["你好", "hi"], [REPLY + "你好", REPLY + "hi"])
        client.end_input()
        self.ends(client, expected)

    def test_n3_5c_chat_client(self):
        server = self.server(REPLY + "{}")
        peers = [self.connect(server) for _ in range(3)]
        for text in ("你好", "hi"):
            for peer in peers:
                peer.sendall(text.encode())
                self.assertEqual(peer.recv(1024), (REPLY + text).encode())

    def test_n4_t_threaded_server(self):
        came, answer = [], "ok, 收到了".encode("gbk")

        def play(peer):
            while data := peer.recv(1024):
                came.append(data)
                peer.sendall(answer)
        shown = r"ok, \xcaյ\xbd\xc1\xcb"  # two bytes of the GBK happen to be one character of UTF-8
        client, expected = self.talks(play, ["hi", "there"], [shown, shown])
        client.end_input()
        self.ends(client, expected)
        self.assertEqual(came, [b"hi", b"there"])


@kit.both
class Server(demands.LoopingServer):
    """The server with clients of every kind."""

    lesson = "03_threaded"

    def test_a_client_that_never_reads_holds_up_nobody_and_loses_nothing(self):
        server = self.server("{}")
        stuck, = self.stuck_client(server)
        for _ in range(3):
            peer = self.connect(server)
            demands.talk(peer, b"at once", b"at once")
        pattern = bytes(range(48, 109)) * (self.sent // 61 + 1)
        self.assertTrue(kit.receive_exactly(stuck, self.sent) == pattern[:self.sent])

    @kit.linux
    def test_a_client_that_has_gone_before_its_greeting_is_a_failed_send(self):
        for greeting, operation in (["hello"], "send"), ([], "recv"):
            server = self.server("{}", *greeting)
            server.send_signal(signal.SIGSTOP)
            kit.reset(self.connect(server))
            server.send_signal(signal.SIGCONT)
            server.until(lambda: server.err.endswith(b"\n"), "a line on stderr")
            self.assertRegex(server.err.decode(), rf"\Aserver: {operation} [^\n]+: Connection reset by peer\n\Z")

    @kit.linux
    def test_long_lines_of_several_clients_stay_whole_in_a_pipe_that_is_nearly_full(self):
        message, count = b"\1" * 1013 + b"B: all fine", 5
        _, pipe, port = self.into_a_pipe("{}")
        fcntl.fcntl(pipe, 1031, 4096)  # F_SETPIPE_SZ: less than such a line

        def talk():
            peer = self.connect(port)
            for _ in range(count):
                demands.talk(peer, message, message)
            peer.close()
        clients = [threading.Thread(target=talk, daemon=True) for _ in range(8)]
        for client in clients:
            client.start()
        lines = [pipe.readline() for _ in range(len(clients) * (count + 2))]
        for client in clients:
            client.join(kit.PATIENCE)
        shown = rb"sent 1024 bytes: (\\x01){1013}B: all fine"
        for line in lines:
            self.assertRegex(line, rb"\A127\.0\.0\.1:\d+ (connected|finished|" + shown + rb")\n\Z")

    def test_2000_clients_at_once_are_each_answered(self):
        count = 2000 // demands.FEWER_TIMES
        server = self.server("{}")
        threads = kit.threads(server.pid) if os.path.isdir("/proc/self/task") else 0
        peers = [self.connect(server) for _ in range(count)]
        server.expect(" connected\n", count=count)
        if threads:
            self.assertIn(kit.threads(server.pid) - threads - count, demands.SPARE_THREADS)
        for number, peer in enumerate(peers):
            peer.sendall(b"client %d" % number)
        for number, peer in enumerate(peers):
            answer = b"client %d" % number
            self.assertEqual(kit.receive_exactly(peer, len(answer)), answer)
        for peer in peers:
            peer.close()
        server.expect(" finished\n", count=count)
        self.assertEqual(bytes(server.err), b"")
        if threads:
            kit.eventually(lambda: kit.threads(server.pid) - threads in demands.SPARE_THREADS,
                           "the threads have gone")

    def test_when_no_thread_can_be_started_that_client_is_told_and_dropped(self):
        if self.language == "C":
            folder = tempfile.TemporaryDirectory()
            self.addCleanup(folder.cleanup)
            subprocess.run(["make", "-C", str(kit.ROOT / self.lesson), "OUT=" + folder.name,
                            f"CFLAGS=-O2 -g -include {kit.ROOT / 'tests/no_thread.h'}", folder.name + "/server"],
                           check=True, stdout=subprocess.DEVNULL, timeout=kit.PATIENCE * 3,
                           env={key: value for key, value in os.environ.items() if key != "MAKEFLAGS"})
            argv = [folder.name + "/server"]
        else:
            argv = self.short_of_threads(2)
        server = self.start([*argv, "127.0.0.1", "0", "{}"])  # every second client gets no thread
        for _ in range(3):
            served, dropped = self.connect(server), self.connect(server)
            self.assertEqual(kit.receive_all(dropped), BUSY)
            demands.talk(served, b"hello", b"hello")
        server.until(lambda: server.err.count(b"\n") >= 3, "three lines on stderr")
        self.assertRegex(server.err.decode(), r"\A(server: [^\n]+ 127.0.0.1:\d+: [^\n]+\n){3}\Z")


@kit.both
class Exhausted:
    """Descriptors run out. It measures the processor, so it runs alone."""

    lesson, alone = "03_threaded", True

    @kit.linux
    def test_with_32_descriptors_and_100_clients_it_waits_quietly_and_serves_all_in_turn(self):
        server = self.server("{}", under=kit.limited("-n 32"))
        peers = [self.connect(server) for _ in range(100)]
        for number, peer in enumerate(peers):
            peer.sendall(b"client %d" % number)
        server.expect("Too many open files\n", "err")
        start, used = time.monotonic(), kit.processor_seconds(server.pid)
        time.sleep(1)  # the interval that is measured
        used = kit.processor_seconds(server.pid) - used
        self.assertLess(used, 0.1 * (time.monotonic() - start), "seconds of processor time")
        self.assertIn(server.out.count(b" connected\n"), range(20, 32))
        for number, peer in enumerate(peers):
            answer = b"client %d" % number
            self.assertEqual(kit.receive_exactly(peer, len(answer)), answer)
            peer.close()
        demands.talk(self.connect(server), b"hello", b"hello")
        self.assertLess(server.err.count(b"\n"), 5)
        self.assertEqual((server.stop(), server.out.count(b" connected\n")), (0, 101))


@kit.both
class Client(demands.LineClient):
    """The client with servers of every kind."""

    lesson, on_a_terminal = "03_threaded", "hello\n"
    gone = "recv {}: the server closed the connection"

    def test_it_gives_up_on_a_server_that_does_not_answer(self):
        over = threading.Event()

        def play(peer):
            demands.silent(peer)  # the client sends no more
            over.wait(kit.PATIENCE)
        port = self.peer(play).port
        client = self.client(port)
        client.type("hi\n")
        client.end_input()
        self.assertEqual(client.wait(), 1)
        over.set()
        self.assertEqual(client.err.decode(), f"client: recv 127.0.0.1:{port}: {demands.SILENCE}\n")

    def test_a_server_that_speaks_first_is_heard_at_once(self):
        def play(peer):
            peer.sendall(b"Welcom")
            demands.silent(peer)
        client = self.client(self.peer(play).port)
        client.expect("Welcom\n")
        client.end_input()
        self.assertEqual((client.wait(), client.out), (0, b"Welcom\n"))

    def test_an_answer_in_pieces_is_printed_as_the_pieces_come(self):
        printed = threading.Event()

        def play(peer):
            peer.recv(1024)
            peer.sendall(b"first")
            printed.wait(kit.PATIENCE)
            peer.sendall(demands.CUT)
            demands.silent(peer)
        client = self.client(self.peer(play).port)
        client.type("hi\n")
        client.expect("first\n")
        printed.set()
        client.expect("\\xbd\\xa0y\n")
        client.end_input()
        self.assertEqual(client.wait(), 0)
        self.assertEqual(client.out.decode().splitlines(), ["first", *demands.CUT_SHOWN])

    def test_a_mebibyte_of_answer_comes_whole(self):
        client = self.client(self.server("{}").port)
        line = bytes(range(48, 91)) * 24000  # the backslash, shown as two, is not among them
        threading.Thread(target=client.type, args=(line + b"\n",), daemon=True).start()
        client.until(lambda: len(client.out) - client.out.count(b"\n") >= len(line), "all of it")
        client.end_input()
        self.assertEqual(client.wait(), 0)
        self.assertTrue(client.out.replace(b"\n", b"") == line)

    def test_a_server_gone_while_nothing_is_typed_is_named_at_once(self):
        self.fails(lambda peer: None, self.gone, typed="")

    def test_of_two_threads_that_fail_at_the_same_time_one_speaks(self):
        def play(peer):
            peer.recv(1024)
            kit.reset(peer)
        port = self.peer(play).port
        for _ in range(10):  # which thread sees the reset first is chance
            client = self.client(port)
            client.type("line\n" * 2000)
            self.assertEqual(client.wait(), 1)
            self.assertRegex(client.err.decode(), rf"\Aclient: (recv|send) 127.0.0.1:{port}: [^\n]+\n\Z")

    @kit.linux
    def test_a_stop_or_a_signal_after_the_end_of_input_changes_nothing(self):
        ended, answer = threading.Event(), threading.Event()

        def play(peer):
            demands.silent(peer)
            ended.set()
            answer.wait(kit.PATIENCE)
            peer.sendall(b"the last word")
        client = self.client(self.peer(play).port)
        client.type("hi\n")
        client.end_input()
        ended.wait(kit.PATIENCE)
        kit.disturb(client)
        answer.set()
        self.assertEqual((client.wait(), client.out, client.err), (0, b"the last word\n", b""))


class NoThread(kit.Case):
    """In Python, where a thread that cannot be started is one of two errors."""

    lesson, language = "03_threaded", "Python"

    def test_when_memory_is_short_the_server_tells_that_client_and_drops_it(self):
        server = self.start([*self.short_of_threads(2), "127.0.0.1", "0", "{}"], env=dict(os.environ, MEMORY="1"))
        for _ in range(3):
            served, dropped = self.connect(server), self.connect(server)
            self.assertEqual(kit.receive_all(dropped), BUSY)
            demands.talk(served, b"hello", b"hello")
        server.until(lambda: server.err.count(b"\n") >= 3, "three lines on stderr")
        self.assertRegex(server.err.decode(), r"\A(server: pthread_create 127.0.0.1:\d+: out of memory\n){3}\Z")

    def test_a_client_that_cannot_start_its_second_thread_says_so_and_ends(self):
        port = self.peer(demands.silent).port
        self.assertEqual(self.run_program([*self.short_of_threads(0, "client"), "127.0.0.1", str(port)]),
                         (1, "", f"client: pthread_create 127.0.0.1:{port}: can't start new thread\n"))


@kit.both
class Interface(demands.Interface):
    """The arguments of lesson 03."""

    lesson, surplus = "03_threaded", {"server": 5, "client": 3}


@kit.both
class Addresses(demands.TCPAddresses):
    """A name with several addresses."""

    lesson = "03_threaded"


class Defaults(demands.Defaults, kit.Case):
    """The defaults of lesson 03."""

    lesson, port = "03_threaded", 19534


class Same(demands.Same, kit.Case):
    """Lesson 03 in both languages."""

    lesson = "03_threaded"
