"""Lesson 02's conversation over AF_UNIX: unix_server and unix_client, in C and in Python."""
import os
import pathlib
import pty
import resource
import shutil
import signal
import socket
import stat
import tempfile
import threading
import time

import demands
import kit

TAKEN = "unix_server: bind {}: Address already in use\n"
TOO_LONG = "p" * 108  # one byte more than Linux allows, and four more than macOS


class Unix:
    """What the cases below share: a directory of their own, with the socket's file in it."""

    lesson = "02_echo_loop"

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, "s")

    def unix_server(self, language=None, **keywords):
        """Start the server at self.path and wait until it listens."""
        server = self.start([*self.command("unix_server", language), self.path], **keywords)
        if "stdout" not in keywords:
            server.expect(f"listening on {self.path}\n")
        return server

    def unix_client(self, language=None, **keywords):
        return self.start([*self.command("unix_client", language), self.path], **keywords)

    def at_path(self, play):
        """Play a server at self.path: play(connection) for one client, in a thread."""
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(self.path)
        listener.listen()
        listener.settimeout(kit.PATIENCE)

        def serve():
            with listener.accept()[0] as peer:
                peer.settimeout(kit.PATIENCE)
                play(peer)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        self.addCleanup(thread.join, kit.PATIENCE)

    def connect_unix(self):
        peer = socket.socket(socket.AF_UNIX)
        self.addCleanup(peer.close)
        peer.settimeout(kit.PATIENCE)
        peer.connect(self.path)
        return peer

    def refused(self, program, path, reason):
        """The program ends with exit status 1 and says so."""
        self.assertEqual(self.run_program([*self.command(program), path]), (1, "", reason))

    def is_socket(self):
        return stat.S_ISSOCK(os.lstat(self.path).st_mode)


@kit.both
class Conversation(Unix):
    """The pair, and the server with clients of every kind."""

    def test_each_line_is_answered_client_after_client(self):
        server = self.unix_server()
        for lines in (["hello", "how are you?"], ["my turn"]):
            client = self.unix_client()
            for line in lines:
                client.type(line + "\n")
                client.expect(f"Echo: {line}\n")
            client.type("\n")  # an empty line ends it
            self.assertEqual((client.wait(), bytes(client.err)), (0, b""))
        server.expect(" finished\n", count=2)
        self.assertEqual((server.stop(), bytes(server.err)), (0, b""))
        self.assertEqual(server.out.decode(), (
            f"listening on {self.path}\n"
            "client 1 connected\nclient 1 sent 5 bytes: hello\nclient 1 sent 12 bytes: how are you?\n"
            "client 1 finished\nclient 2 connected\nclient 2 sent 7 bytes: my turn\nclient 2 finished\n"))

    def test_odd_bytes_come_back_and_are_shown(self):
        server = self.unix_server()
        peer = self.connect_unix()
        for data, text in demands.ODD.values():
            demands.talk(peer, data, b"Echo: " + data)
            server.expect(f"client 1 sent {len(data)} bytes: {text}\n")

    def test_a_character_cut_at_the_1024th_byte_is_shown_as_its_bytes(self):
        server = self.unix_server()
        peer = self.connect_unix()
        demands.talk(peer, demands.CUT, b"Echo: " + demands.CUT[:1024] + b"Echo: " + demands.CUT[1024:])
        server.expect(f"client 1 sent 1024 bytes: {demands.CUT_SHOWN[0]}\n"
                      f"client 1 sent 3 bytes: {demands.CUT_SHOWN[1]}\n")

    def test_a_mebibyte_without_a_newline_is_answered(self):
        self.unix_server()
        peer = self.connect_unix()
        sender = threading.Thread(target=peer.sendall, args=(b"x" * 2 ** 20,), daemon=True)
        sender.start()
        came = b""
        while came.count(b"x") < 2 ** 20 and (more := peer.recv(2 ** 20)):
            came += more
        sender.join(kit.PATIENCE)
        self.assertEqual(came.replace(b"Echo: ", b""), b"x" * 2 ** 20)

    def test_a_half_close_still_gets_its_reply(self):
        self.unix_server()
        peer = self.connect_unix()
        peer.sendall(b"hello")
        peer.shutdown(socket.SHUT_WR)
        self.assertEqual(kit.receive_all(peer), b"Echo: hello")

    def test_clients_that_leave_at_any_moment_never_end_it(self):
        server = self.unix_server()
        for _ in range(50):
            self.connect_unix().close()
            peer = self.connect_unix()
            peer.sendall(b"x" * 10000)
            peer.close()  # with answers unread: the server's send fails, or its recv
        demands.talk(self.connect_unix(), b"next", b"Echo: next")
        self.assertIsNone(server.process.poll())

    @kit.linux
    def test_500_connections_in_a_row_leave_nothing_behind(self):
        server = self.unix_server()
        before = kit.descriptors(server.pid)
        for _ in range(500):
            with self.connect_unix() as peer:
                demands.talk(peer, b"x", b"Echo: x")
        kit.eventually(lambda: kit.descriptors(server.pid) == before, "descriptors back")

    @kit.linux
    def test_without_a_free_descriptor_it_waits_and_serves_again(self):
        server = self.unix_server()
        before, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (kit.descriptors(server.pid), hard))
        self.connect_unix().close()  # the accept that waits may have its descriptor already
        peer = self.connect_unix()
        server.expect(f"unix_server: accept {self.path}: Too many open files\n", "err")
        kit.disturb(server)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (before, hard))
        demands.talk(peer, b"hello", b"Echo: hello")
        self.assertEqual(server.err.count(b"\n"), 1)

    def test_a_server_whose_output_nobody_reads_serves_on(self):
        reading, writing = os.pipe()
        kit.close_reading(reading, writing)
        self.unix_server(stdout=writing, stderr=writing)
        os.close(writing)
        kit.eventually(lambda: os.path.exists(self.path), "the socket's file")
        deadline = time.monotonic() + kit.PATIENCE
        while True:  # bound, but perhaps not listening yet
            try:
                with self.connect_unix() as peer:
                    demands.talk(peer, b"hello", b"Echo: hello")
                break
            except ConnectionRefusedError:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.01)
        demands.talk(self.connect_unix(), b"again", b"Echo: again")


@kit.both
class File(Unix, demands.LastMoment):
    """The socket's file: made, removed, replaced when nobody listens there, and only then."""

    @property
    def waits(self):
        return "unix_server", self.path

    def test_when_no_thread_can_wait_for_signals_it_says_so_and_ends(self):
        super().test_when_no_thread_can_wait_for_signals_it_says_so_and_ends()
        self.assertFalse(os.path.lexists(self.path))

    def ends_on(self, number):
        """With clients connected the signal ends it, exit status 0, and its file is gone."""
        server = self.unix_server()
        peers = [self.connect_unix() for _ in range(3)]
        demands.talk(peers[0], b"hello", b"Echo: hello")
        self.assertTrue(self.is_socket())
        self.assertEqual((server.stop(number), bytes(server.err)), (0, b""))
        self.assertFalse(os.path.lexists(self.path))

    def test_sigterm_ends_it_and_removes_the_file(self):
        self.ends_on(signal.SIGTERM)

    def test_sigint_ends_it_and_removes_the_file(self):
        self.ends_on(signal.SIGINT)

    def test_what_a_killed_server_left_is_replaced(self):
        self.unix_server().kill()
        self.assertTrue(self.is_socket())
        self.unix_server()
        demands.talk(self.connect_unix(), b"hello", b"Echo: hello")

    def test_a_live_server_is_not_replaced(self):
        self.unix_server()
        self.refused("unix_server", self.path, TAKEN.format(self.path))
        demands.talk(self.connect_unix(), b"hello", b"Echo: hello")

    @kit.linux
    def test_a_live_server_whose_queue_is_full_is_not_replaced_nor_waited_for(self):
        server = self.unix_server()
        server.send_signal(signal.SIGSTOP)
        waiting = []
        for _ in range(1000):
            peer = socket.socket(socket.AF_UNIX)
            self.addCleanup(peer.close)
            peer.setblocking(False)
            if peer.connect_ex(self.path) != 0:
                break
            waiting.append(peer)
        self.assertTrue(0 < len(waiting) < 1000)
        self.refused("unix_server", self.path, TAKEN.format(self.path))
        self.assertTrue(self.is_socket())
        server.send_signal(signal.SIGCONT)
        waiting[0].settimeout(kit.PATIENCE)
        demands.talk(waiting[0], b"hello", b"Echo: hello")

    def test_a_file_that_is_no_socket_is_left_alone(self):
        file = pathlib.Path(self.path)
        file.write_text("precious")
        self.refused("unix_server", self.path, TAKEN.format(self.path))
        self.assertEqual(file.read_text(), "precious")
        file.unlink()
        os.symlink("elsewhere", self.path)
        self.refused("unix_server", self.path, TAKEN.format(self.path))
        self.assertTrue(os.path.islink(self.path))

    def test_the_file_of_a_server_that_took_its_place_is_left_alone(self):
        first = self.unix_server()
        os.rename(self.path, self.path + ".old")  # so that its inode is not used again
        self.unix_server()
        self.assertEqual(first.stop(), 0)
        self.assertTrue(self.is_socket())
        demands.talk(self.connect_unix(), b"hello", b"Echo: hello")

    def test_a_path_that_is_too_long_is_an_error(self):
        for program, operation in (("unix_server", "bind"), ("unix_client", "connect")):
            self.refused(program, TOO_LONG, f"{program}: {operation} {TOO_LONG}: File name too long\n")

    def test_a_directory_that_is_not_there_is_an_error(self):
        path = self.path + "/no/s"
        for program, operation in (("unix_server", "bind"), ("unix_client", "connect")):
            self.refused(program, path, f"{program}: {operation} {path}: No such file or directory\n")

    def test_a_path_cannot_forge_a_line(self):
        self.path += "\n\x1b[2J"
        server = self.start([*self.command("unix_server"), self.path])
        server.expect(f"listening on {self.path[:-5]}" + r"\n\x1b[2J" + "\n")


@kit.both
class Client(Unix):
    """unix_client with servers of every kind."""

    def fails(self, play, expected, typed="hi\n", **keywords):
        """Against a server that plays so, the client ends by itself with exit status 1 and says so."""
        self.at_path(play)
        client = self.unix_client(**keywords)
        client.type(typed)
        self.assertEqual(client.wait(), 1)
        self.assertEqual(client.err.decode(), f"unix_client: {expected}\n")

    def test_a_server_gone_before_its_answer_is_named(self):
        self.fails(lambda peer: peer.recv(1024), f"recv {self.path}: the server closed without an answer")

    def test_it_gives_up_on_a_server_that_does_not_answer(self):
        self.fails(demands.silent, f"recv {self.path}: {demands.SILENCE}")

    @kit.linux
    def test_it_gives_up_on_a_server_that_does_not_accept(self):
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(self.path)
        listener.listen(0)
        for operation in "recv", "connect":  # the first one fills the queue
            client = self.unix_client()
            client.type("hi\n")
            self.assertEqual(client.wait(), 1)
            self.assertEqual(client.err.decode(), f"unix_client: {operation} {self.path}: {demands.SILENCE}\n")

    def test_output_into_a_pipe_that_closes_is_an_error(self):
        reading, writing = os.pipe()
        kit.close_reading(reading, writing)

        def play(peer):
            peer.recv(1024)
            peer.sendall(b"get")
            demands.silent(peer)
        self.fails(play, "write standard output: Broken pipe", stdout=writing)
        os.close(writing)

    def test_a_closed_input_or_output_is_an_error_and_nothing_is_sent(self):
        for closed, what in (("<&-", "read standard input"), (">&-", "write standard output")):
            argv = [*self.command("unix_client"), self.path]  # a connect would fail, and be said
            status, out, err = self.run_program(["sh", "-c", f'exec "$@" {closed}', "sh", *argv])
            self.assertEqual((status, out, err), (1, "", f"unix_client: {what}: Bad file descriptor\n"))

    def test_a_closed_stderr_is_not_a_place_for_the_socket(self):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path)
            listener.listen()
            argv = [*self.command("unix_client"), self.path]
            self.assertFalse(demands.connects_without_stderr(self, argv, listener))

    @kit.linux
    def test_a_line_too_long_for_memory_is_an_error(self):
        def play(peer):
            peer.recv(1024)
            peer.sendall(b"ok")
            demands.silent(peer)
        self.at_path(play)
        demands.too_long_a_line(self, [*self.command("unix_client"), self.path])

    if kit.SANITIZED:
        test_a_line_too_long_for_memory_is_an_error = None  # a sanitizer needs terabytes of addresses

    def test_after_ctrl_d_the_shells_prompt_gets_a_line_of_its_own(self):
        self.unix_server()
        terminal, keyboard = pty.openpty()
        client = self.unix_client(stdin=keyboard)
        os.close(keyboard)
        client.expect(": ")
        os.write(terminal, b"\4")
        self.assertEqual((client.wait(), client.err), (0, b""))
        os.close(terminal)
        self.assertEqual(client.out, b"message (an empty line ends): \n")

    def test_a_server_that_reads_slowly_is_not_given_up(self):
        size = 11 * 10 ** 6
        self.at_path(lambda peer: demands.read_slowly(peer, size))
        client = self.unix_client()
        threading.Thread(target=client.type, args=(b"x" * size + b"\n",), daemon=True).start()
        client.expect("all there\n", patience=3 * kit.PATIENCE)
        client.end_input()
        self.assertEqual((client.wait(), client.err), (0, b""))

    @kit.linux
    def test_a_stop_or_a_signal_while_it_connects_changes_nothing(self):
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(self.path)
        listener.listen(0)
        listener.settimeout(kit.PATIENCE)
        self.connect_unix()  # fills the queue
        client = self.unix_client()
        kit.eventually(lambda: kit.sockets(client.pid), "the client's socket")
        kit.disturb(client)
        client.type("hi\n")
        listener.accept()[0].close()  # there is room
        with listener.accept()[0] as peer:
            peer.settimeout(kit.PATIENCE)
            demands.talk(peer, b"at last", b"hi")
            client.expect("at last\n")
            client.end_input()
            self.assertEqual((client.wait(), client.err), (0, b""))

    def test_a_server_that_was_killed_refuses(self):
        self.unix_server().kill()
        self.refused("unix_client", self.path, f"unix_client: connect {self.path}: Connection refused\n")

    def test_odd_bytes_in_an_answer_are_shown(self):
        def play(peer):
            for data, _ in demands.ODD.values():
                peer.recv(1024)
                peer.sendall(data)
            demands.silent(peer)
        self.at_path(play)
        client = self.unix_client()
        for _, text in demands.ODD.values():
            client.type("more\n")
            client.expect(text + "\n")
        client.end_input()
        self.assertEqual((client.wait(), bytes(client.err)), (0, b""))


@kit.both
class Interface(Unix):
    """One argument, the path."""

    def test_help_shows_the_usage_and_the_default_on_stdout(self):
        for program in ("unix_server", "unix_client"):
            for option in ("-h", "--help"):
                status, out, err = self.run_program([*self.command(program), option])
                self.assertEqual((status, err), (0, ""))
                self.assertTrue(out.startswith(f"usage: {program} [PATH]    (./echo.sock)\n"), out)

    def test_wrong_arguments_are_wrong_usage(self):
        for program in ("unix_server", "unix_client"):
            for arguments in ([""], ["-x"], ["-"], [self.path, "surplus"]):
                status, out, err = self.run_program([*self.command(program), *arguments])
                self.assertEqual((status, out), (2, ""), arguments)
                self.assertTrue(err.startswith(f"usage: {program} "), err)

    def test_the_default_is_a_file_where_one_stands(self):
        server = self.start(self.command("unix_server"), cwd=self.folder)
        server.expect("listening on ./echo.sock\n")
        client = self.start(self.command("unix_client"), cwd=self.folder)
        client.type("hi\n")
        client.expect("Echo: hi\n")
        self.assertEqual(server.stop(), 0)
        self.assertEqual(os.listdir(self.folder), [])


class Same(Unix, kit.Case):
    """C and Python side by side: what they print is the same."""

    def test_c_and_python_print_the_same_in_every_mixture(self):
        printed = []
        for pair in (("C", "C"), ("Python", "Python"), ("C", "Python"), ("Python", "C")):
            server, client = self.unix_server(pair[0]), self.unix_client(pair[1])
            for count, line in enumerate(demands.Same.lines, 1):
                client.type(line + "\n")
                client.until(lambda: client.out.count(b"\n") >= count, "the answer")
            client.end_input()
            self.assertEqual((client.wait(), bytes(client.err)), (0, b""))
            server.expect("client 1 finished\n")
            self.assertEqual((server.stop(), bytes(server.err)), (0, b""))
            printed.append((bytes(server.out), bytes(client.out)))
        self.assertEqual(printed, printed[:1] * 4)
        self.assertIn("Echo: 你好, {}\n", printed[0][1].decode())
