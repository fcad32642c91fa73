"""Lesson 04: HTTP by hand, against peers of our own and against the servers and clients that people use."""
import contextlib
import hashlib
import os
import pathlib
import pty
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse

import demands
import kit

from running import free_port, nginx

SILENCE = 10  # seconds after which both programs give up on a silent peer
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
BIG = 64 << 20  # bytes
SECRET = b"this file lies outside ROOT\n"


def get(path, version=b"1.1", method=b"GET"):
    """A request as bytes."""
    return b"%s %s HTTP/%s\r\nHost: x\r\n\r\n" % (method, path, version)


def code(answer):
    """The status of a response, as a number; the raw bytes if it is no HTTP/1.1 response."""
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else answer


def head_of(answer):
    """The head of a response without its date, as a list of lines."""
    return [line for line in answer.partition(b"\r\n\r\n")[0].split(b"\r\n")
            if not line.lower().startswith(b"date:")]


def body_of(answer):
    """The body of a response."""
    return answer.partition(b"\r\n\r\n")[2]


def memory(program):
    """The largest resident memory that a program has had, in KiB (Linux)."""
    status = pathlib.Path(f"/proc/{program.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1])


class Site:
    """What the cases share: a folder to serve, and requests sent by hand."""

    lesson = "04_http_get"

    def folder(self):
        """A new folder; it is removed at the end."""
        path = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, path, ignore_errors=True)
        return path

    def site(self):
        """A folder with a site in its folder `root`, and a secret beside that. Returns the root."""
        root = self.folder() / "root"
        shutil.copytree(kit.ROOT / "04_http_get" / "www", root)
        (root.parent / "secret.txt").write_bytes(SECRET)
        (root / "empty.bin").write_bytes(b"")
        (root / "sub").mkdir()
        (root / "sub" / "index.html").write_bytes(b"<p>sub</p>\n")
        (root / "bare").mkdir()
        return root

    def big(self, root):
        """A file of BIG bytes in the root. Returns its sha256."""
        block = os.urandom(1 << 20)
        digest = hashlib.sha256()
        with open(root / "big.bin", "wb") as file:
            for number in range(BIG >> 20):
                part = number.to_bytes(8, "big") + block[8:]
                file.write(part)
                digest.update(part)
        return digest.hexdigest()

    def ask(self, server, request):
        """Send a request, whole; return everything that the server answers until it closes."""
        with self.connect(server) as peer:
            peer.sendall(request)
            return kit.receive_all(peer)

    def wait_for(self, program, port):
        """Wait until the program accepts connections on port. Returns the first."""
        peer = program.connection(port)
        self.addCleanup(peer.close)
        return peer


@kit.both
class Requests(Site, demands.LastMoment):
    """The server, and what visitors may say to it."""

    waits_in = "pause"  # its main thread, which would run a handler

    def test_each_request_gets_its_status(self):
        server = self.server()
        host = b"\r\nHost: x\r\n"
        for request, status in [
                (REQUEST, 200), (b"GET / HTTP/1.1\nHost: x\n\n", 200), (b"GET / HTTP/1.0\r\n\r\n", 200),
                (b"\r\n" + REQUEST, 200), (get(b"http://x/"), 200), (get(b"http://x"), 200),
                (get(b"/?a=b"), 200), (get(b"http://x?a=b"), 200), (get(b"/other"), 404),
                (b"GET / HTTP/1.1\r\nhOST:x\r\nX-Empty:\r\n\r\n", 200), (get(b"/", b"1.7"), 200),
                (get(b"/", b"2.0"), 505), (get(b"/", b"0.9"), 505), (b"GET /\r\n", 400),
                (b"GET / HTTP/1.1\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nHost: x" + host + b"\r\n", 400),
                (b"GET / HTTP/1.1" + host + b" folded\r\n\r\n", 400),
                (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400), (b"GET / HTTP/1.1" + host + b"X\r\n\r\n", 400),
                (b"GET / HTTP/1.1" + host + b": x\r\n\r\n", 400), (b"GET  / HTTP/1.1" + host + b"\r\n", 400),
                (b"GET / HTTP/1.1 " + host + b"\r\n", 400), (b"GET / HTTP/1" + host + b"\r\n", 400),
                (b"GET / http/1.1" + host + b"\r\n", 400), (b"GET / x HTTP/1.1" + host + b"\r\n", 400),
                (b" GET / HTTP/1.1" + host + b"\r\n", 400), (b"\n\n", 400), (b"\r\n\r\n", 400),
                (get(b"/\0"), 400), (get(b"/\x1b[31m"), 400),
                (b"GET / HTTP/1.1" + host + b"X: a\rb\r\n\r\n", 400),
                (get(b"x"), 400), (get(b"*"), 400), (get(b"/%"), 400), (get(b"/%4"), 400), (get(b"/%zz"), 400),
                (get(b"/%00"), 400), (get(b"/%2500"), 404), (get(b"/%+1"), 400),
                (get(b"/", method=b"get"), 501), (get(b"/", method=b"BREW"), 501),
                (get(b"/", method=b"GE"), 501), (get(b"/", method=b"POS"), 501),
                (get(b"/", method=b"G@T"), 400),
                (get(b"*", method=b"OPTIONS"), 405), (get(b"x:1", method=b"CONNECT"), 405),
                (get(b"/" + b"a" * 7000), 404), (b"\r\n" * 2 + REQUEST, 400),
                (b"GET / HTTP/1.1\r\nHost: \r\n\r\n", 200), (b"GET / HTTP/1.1\nHost: [::1]:80 \n\n", 200),
                (b"GET / HTTP/1.1\r\nHost: x y\r\n\r\n", 400), (b"GET / HTTP/1.0\r\nHost: x/y\r\n\r\n", 400),
                (b"GET / HTTP/1.1\r\nX: y\r\nHost:u@x\r\n\r\n", 400)]:
            with self.subTest(request=request):
                self.assertEqual(code(self.ask(server, request)), status)

    def test_405_names_the_methods_that_work(self):
        server = self.server()
        for method in (b"POST", b"PUT", b"DELETE", b"TRACE", b"CONNECT", b"OPTIONS"):
            answer = self.ask(server, get(b"/", method=method))
            self.assertEqual(code(answer), 405)
            self.assertIn(b"Allow: GET, HEAD", head_of(answer))

    def test_a_response_says_what_it_is(self):
        answer = self.ask(self.server(under=["env", "TZ=XXX-8"]), REQUEST)  # far from GMT
        head = dict(line.split(b": ", 1) for line in answer.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:])
        self.assertEqual(head[b"Content-Length"], b"%d" % len(body_of(answer)))
        self.assertEqual(head[b"Content-Type"], b"text/html; charset=utf-8")
        self.assertEqual(head[b"Connection"], b"close")
        then = time.mktime(time.strptime(head[b"Date"].decode(), "%a, %d %b %Y %H:%M:%S GMT")) - time.timezone
        self.assertLess(abs(time.time() - then), 3600)

    def test_an_error_is_explained_in_a_short_page(self):
        answer = self.ask(self.server(), get(b"/nothing"))
        self.assertIn(b"<h1>404 Not Found</h1>", answer)
        self.assertLess(len(answer), 1024)

    def test_the_built_in_page_shows_the_request_escaped(self):
        server = self.server()
        answer = self.ask(server, b"GET /?<script>&amp HTTP/1.1\r\nHost: x\r\nX-A: <b>\xff</b>\r\n\r\n")
        self.assertIn(b"GET /?&lt;script>&amp;amp HTTP/1.1\nHost: x\nX-A: &lt;b>\\xff&lt;/b>", answer)
        answer.decode("ascii")

    def test_the_notes_clients_get_a_whole_page_in_one_recv(self):
        server = self.server()
        for request, status in [(b"GET / HTTP/1.1\r\n\r\n", 400),
                                (b"GET / HTTP/1.1\r\nHost:127.0.0.1\r\nConnection:close\r\nUser-Agent: Mozilla/5.0 "
                                 b"(X11; Linux x86_64) Gecko/20100101 Firefox/115.0\r\n\r\n", 200)]:
            answer = self.ask(server, request)
            self.assertEqual(code(answer), status)
            self.assertLess(len(answer), 1024)
            answer.decode("ascii")
        self.assertIn(b"Host", self.ask(server, b"GET / HTTP/1.1\r\n\r\n"))

    def test_414_and_431_arrive_whole_although_the_request_is_not_read(self):
        server = self.server()
        many = b"".join(b"X-%d: y\r\n" % number for number in range(10000))
        for request, status in [(get(b"/" + b"a" * 65536), 414), (b"a" * 65536, 414),
                                (b"\r\n" + b"a" * 65536, 414),
                                (b"GET / HTTP/1.1\r\nHost: x\r\n" + many + b"\r\n", 431)]:
            answer = self.ask(server, request)
            self.assertEqual(code(answer), status)
            self.assertTrue(answer.endswith(b"</pre>\n"))

    def test_the_head_of_a_request_has_8192_bytes_at_most(self):
        server = self.server()
        for size, status in (8192, 200), (8193, 431):
            self.assertEqual(code(self.ask(server, REQUEST[:-2] + b"X: %s\r\n\r\n" % (b"y" * (size - len(REQUEST) - 5)))), status)

    def test_no_head_of_8_kib_takes_long_to_check(self):
        server = self.server()
        start = time.monotonic()
        for _ in range(20):  # a pattern that tries all ways to share the blanks needs half a second each
            head = b"GET / HTTP/1.1\r\nHost:" + b" " * 8100 + b'"\r\n\r\n'
            self.assertEqual(code(self.ask(server, head)), 400)
        self.assertLess(time.monotonic() - start, 4)

    def test_a_body_does_not_destroy_the_answer(self):
        body = bytes(300000)
        for method, status in (b"GET", 200), (b"POST", 405):
            answer = self.ask(self.server(), b"%s / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"
                              % (method, len(body), body))
            self.assertEqual(code(answer), status)
            self.assertTrue(answer.endswith(b"</pre>\n"))

    def test_two_requests_in_one_segment_get_one_answer(self):
        answer = self.ask(self.server(), REQUEST + get(b"/second"))
        self.assertEqual(answer.count(b"HTTP/1.1 "), 1)
        self.assertNotIn(b"second", answer)

    def test_a_second_request_does_not_destroy_the_answer(self):
        root = self.site()
        self.big(root)
        server = self.server(str(root))
        long = get(b"/?" + b"x" * 5000)
        for first in long, REQUEST[:-2] + b"X: %s\r\n\r\n" % (b"y" * (8192 - len(REQUEST) - 5)):  # the limit of a head
            self.assertTrue(self.ask(server, first + long).endswith(b"</html>\n"))
        self.assertEqual(len(body_of(self.ask(server, get(b"/big.bin") + long + long))), BIG)
        with self.connect(server) as peer:
            peer.sendall(get(b"/big.bin"))
            begin = kit.receive_exactly(peer, 100000)
            peer.sendall(long)  # while the answer comes
            self.assertEqual(len(body_of(begin + kit.receive_all(peer))), BIG)

    def test_a_request_may_come_byte_by_byte(self):
        server = self.server()
        for request, status in (REQUEST, 200), (b"\r\n" + REQUEST, 200), (b"\r\n\r\n", 400):
            with self.connect(server) as peer:
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for byte in request:
                    peer.sendall(bytes([byte]))
                self.assertEqual(code(kit.receive_all(peer)), status)

    def test_each_request_is_one_line_of_the_log_and_forges_none(self):
        server = self.server()
        with self.connect(server) as peer:
            peer.sendall(get(b"/\x1b[2J\r127.0.0.1:1 GET /"))
            kit.receive_all(peer)
            name = "127.0.0.1:%d" % peer.getsockname()[1]
        server.expect(f"{name} GET /\\x1b[2J: 400, ")
        size = len(body_of(self.ask(server, get(b"/\xe4\xbd\xa0\xff"))))
        server.expect(f"GET /你\\xff HTTP/1.1: 404, {size} bytes\n")
        self.ask(server, b"\r\nHEAD / HTTP/1.1\r\nX: \0")
        server.expect(" HEAD / HTTP/1.1: 400, 0 bytes\n")
        self.assertEqual(server.out.count(b"\n"), 4)
        self.assertNotIn(b"\x1b", server.out)

    def test_long_lines_of_many_visitors_stay_whole(self):
        count, target = 150, b"/" + b"x" * 7000
        reading, writing = os.pipe()
        with open(reading, "rb", buffering=1000) as log:
            port = free_port()
            server = self.start([*self.command("server"), "127.0.0.1", str(port)], stdout=writing)
            os.close(writing)
            peers = [self.wait_for(server, port)] + [self.connect(port) for _ in range(count - 1)]
            for peer in peers:
                peer.sendall(get(target))
            for peer in peers:  # all have their answers, and most wait to write into the full pipe
                self.assertEqual(len(kit.receive_exactly(peer, 9)), 9)
            lines = [log.readline() for _ in range(count + 1)]
        for line in lines[1:]:
            self.assertRegex(line, rb"\A127\.0\.0\.1:\d+ GET " + target + rb" HTTP/1\.1: 404, \d+ bytes\n\Z")

    def test_visitors_that_leave_early_do_no_harm(self):
        root = self.site()
        self.big(root)
        server = self.server(str(root))
        self.connect(server).close()
        with self.connect(server) as peer:
            peer.sendall(b"GET / HT")
        kit.reset(self.connect(server))
        peer = self.connect(server)
        peer.sendall(get(b"/big.bin"))
        self.assertEqual(len(kit.receive_exactly(peer, 100000)), 100000)
        kit.reset(peer)
        server.expect("server: recv ", "err", 3)
        server.expect("server: send ", "err")
        self.assertEqual(code(self.ask(server, get(b"/"))), 200)

    def test_sigterm_and_sigint_end_it_with_visitors_connected(self):
        for number in signal.SIGTERM, signal.SIGINT:
            server = self.server()
            with self.connect(server) as peer:
                peer.sendall(b"GET / HT")
                self.assertEqual(server.stop(number), 0)

    def test_a_signal_that_comes_again_at_once_does_not_kill_it(self):
        for _ in range(20):
            server = self.server()
            for _ in range(5):
                server.send_signal(signal.SIGTERM)
            self.assertEqual(server.stop(), 0)

    def test_it_serves_on_when_nobody_reads_its_output(self):
        server = self.server()
        server.close_output()
        for _ in range(3):
            self.assertEqual(code(self.ask(server, REQUEST)), 200)

    @kit.linux
    def test_no_closed_standard_stream_becomes_a_visitor(self):
        for closed in "<&- >&-", ">&- 2>&-", "<&- >&- 2>&-":
            port = free_port()  # the first line names none
            server = self.start(["sh", "-c", f'exec "$@" {closed}', "sh", *self.command("server"), "127.0.0.1", str(port)])
            self.wait_for(server, port).close()
            kit.eventually(lambda: kit.states(server.pid) == {"S"}, "all threads have been started, and wait")
            peer = self.connect(port)
            self.connect(port).close()  # is reported on stderr
            self.assertEqual(code(self.ask(port, REQUEST)), 200)  # stands in the log
            peer.sendall(REQUEST)
            self.assertEqual(code(kit.receive_all(peer)), 200)
            self.assertEqual(server.stop(), 0)

    def test_where_threads_cannot_be_started_it_serves_with_those_it_has_or_ends(self):
        for every, status in (2, None), (1, 1):
            if self.language == "Python":
                argv = self.short_of_threads(every)
            else:
                argv = [str(self.folder() / "server")]
                subprocess.run(["cc", "-pthread", f"-DEVERY={every}", "-include", str(kit.ROOT / "tests/no_thread.h"), "-o", *argv,
                                str(kit.ROOT / "04_http_get" / "server.c")], check=True)
            server = self.start([*argv, "127.0.0.1", "0"])
            server.expect("server: pthread_create 127.0.0.1:", "err")
            if status is None:
                self.assertEqual(code(self.ask(server, REQUEST)), 200)
            else:
                self.assertEqual(server.wait(), status)

    def test_wrong_usage(self):
        for arguments, status in [(["-h"], 0), (["--help"], 0), (["-x"], 2), (["127.0.0.1", "x"], 2),
                                  (["127.0.0.1", "65536"], 2), (["127.0.0.1", "0", ".", "y"], 2)]:
            result, out, err = self.run_program(self.command("server") + arguments)
            self.assertEqual(result, status, arguments)
            self.assertTrue((err if status else out).startswith("usage: server [HOST [PORT [ROOT]]]"))

    def test_a_root_that_is_no_directory(self):
        for root in "/nonexistent", "/etc/passwd":
            status, _, err = self.run_program(self.command("server") + ["127.0.0.1", "0", root])
            self.assertEqual(status, 1)
            self.assertTrue(err.startswith(f"server: open {root}: "), err)

    @kit.linux
    def test_the_pool_has_512_threads_with_small_stacks(self):
        server = self.server()
        if not kit.SANITIZED:  # their run-time library has threads and memory of its own
            self.assertEqual(self.threads(server), 512)
            status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
            self.assertLess(int(re.search(r"VmSize:\s+(\d+) kB", status)[1]), 2 << 20)  # KiB; 8 MiB each are 4 GiB
        self.assertEqual(code(self.ask(server, REQUEST)), 200)

    def threads(self, server):
        """How many threads a server's pool has."""
        others = {"C": 1, "Python": 2}[self.language]  # main's, and the one that waits for signals
        return len(os.listdir(f"/proc/{server.pid}/task")) - others

    @kit.linux
    def test_the_size_of_the_pool_is_one_constant(self):  # an exercise changes it
        argv = self.command("server")
        path = self.folder() / pathlib.Path(argv[-1]).with_suffix({"C": ".c", "Python": ".py"}[self.language]).name
        text = (kit.ROOT / "04_http_get" / path.name).read_text(encoding="utf-8")
        self.assertEqual(text.count("POOL_SIZE = 512"), 1)
        path.write_text(text.replace("POOL_SIZE = 512", "POOL_SIZE = 1"), encoding="utf-8")
        if self.language == "C":
            subprocess.run(["cc", "-pthread", str(path), "-o", str(path.with_suffix(""))], check=True, timeout=kit.PATIENCE)
        server = self.start([*argv[:-1], str(path.with_suffix("") if self.language == "C" else path), "127.0.0.1", "0"])
        self.assertEqual(code(self.ask(server, REQUEST)), 200)
        self.assertEqual(self.threads(server), 1)

    def test_few_descriptors_make_a_small_pool_that_serves(self):
        root = self.site()
        server = self.server(str(root), under=kit.limited("-n 64"))
        idle = [self.connect(server) for _ in range(10)]
        for _ in range(50):
            self.assertEqual(code(self.ask(server, get(b"/sub/"))), 200)
        for peer in idle:
            peer.close()

    @kit.ipv6
    def test_ipv6(self):
        server = self.server(host="::1")
        status, out, _ = self.run_program(self.command("client") + [f"http://[::1]:{server.port}/"])
        self.assertEqual((status, out[:15]), (0, "HTTP/1.1 200 OK"))
        self.assertIn(f"Host: [::1]:{server.port}", out)


@kit.both
class Patience(Site):
    """Visitors who do nothing, or hardly anything."""

    def test_a_silent_visitor_gets_408(self):
        server = self.server()
        start = time.monotonic()
        with self.connect(server) as silent, self.connect(server) as stopped:
            stopped.sendall(b"GET / HTTP/1.1\r\nHo")
            for peer in silent, stopped:
                peer.settimeout(3 * SILENCE)
                self.assertEqual(code(kit.receive_all(peer)), 408)
                self.assertGreater(time.monotonic() - start, 0.9 * SILENCE)

    def test_a_visitor_who_comes_while_the_pool_starts_is_not_hurried(self):
        port = free_port()  # the first line comes when all threads are there
        server = self.start([*self.command("server"), "127.0.0.1", str(port)])
        early = self.wait_for(server, port)
        self.assertEqual(kit.ready([early], 4), [], "HURRY is 2 seconds")
        early.close()

    def test_a_visitor_who_drips_gets_408_after_30_seconds(self):
        server = self.server()
        start = time.monotonic()
        with self.connect(server) as peer:
            answer = b""
            for byte in b"GET / HTTP/1.1\r\nX: " + bytes(1000).replace(b"\0", b"y"):
                if kit.ready([peer], 1):
                    break
                peer.sendall(bytes([byte]))
            try:
                while more := peer.recv(65536):
                    answer += more
            except ConnectionResetError:
                pass  # on a busy machine a byte of ours can come after the end
        self.assertEqual(code(answer), 408)
        self.assertGreater(time.monotonic() - start, 0.9 * 30)

    def test_a_visitor_who_never_reads_is_left(self):
        root = self.site()
        self.big(root)
        server = self.server(str(root))
        start = time.monotonic()
        with self.connect(server) as peer:
            peer.sendall(get(b"/big.bin"))
            self.assertEqual(code(self.ask(server, get(b"/"))), 200)
            server.expect("nothing was taken for too long", "err", patience=6 * SILENCE)
        self.assertGreater(time.monotonic() - start, 0.9 * SILENCE)
        self.assertLess(time.monotonic() - start, 2.5 * SILENCE)
        self.assertEqual(code(self.ask(server, get(b"/"))), 200)

    def test_a_visitor_who_reads_slowly_is_kept(self):
        root = self.site()
        self.big(root)
        server = self.server(str(root))
        with self.connect(server) as peer, socket.socket() as slower:
            slower.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            slower.settimeout(kit.PATIENCE)
            slower.connect(server.address)
            for each in peer, slower:
                each.sendall(get(b"/big.bin"))
            for turn in range(round(2.6 * SILENCE * 5)):  # 50 kB a second: the server's buffer stays nearly full
                self.assertNotEqual(peer.recv(10000), b"")
                if turn % 20 == 0:  # every four seconds: less than poll wants, but each send finds room
                    self.assertNotEqual(slower.recv(20000), b"")
                time.sleep(0.2)
            self.assertEqual(server.err, b"")

    def test_a_file_that_shrinks_while_it_is_sent_is_reported(self):
        root = self.site()
        self.big(root)
        server = self.server(str(root))
        with self.connect(server) as peer:
            peer.sendall(get(b"/big.bin"))
            kit.receive_exactly(peer, 100)
            os.truncate(root / "big.bin", BIG // 2)
            self.assertLess(len(kit.receive_all(peer)), BIG)
            server.expect("server: send 127.0.0.1:%d: the file is shorter than it was" % peer.getsockname()[1], "err")


@kit.both
class Crowd(Site):
    """More visitors than threads."""

    alone = True

    def half_open(self, server, count, request=b"GET / HTTP/1.1\r\n"):
        """count connections that have sent half a request, or this one, and do no more."""
        peers = []
        for _ in range(count):
            peer = self.connect(server)
            peer.sendall(request)
            peers.append(peer)
        return peers

    def is_served_in_time(self, server):
        """A visitor behind a crowd gets his answer, within less than the crowd's patience adds up to."""
        start = time.monotonic()
        with kit.connect(server.address) as peer:
            peer.settimeout(90)
            peer.sendall(REQUEST)
            self.assertEqual(code(kit.receive_all(peer)), 200)
        self.assertLess(time.monotonic() - start, 60 if kit.SANITIZED else 30)

    def test_500_half_open_requests_do_not_keep_the_501st_waiting(self):
        server = self.server()
        peers = self.half_open(server, 500)
        self.assertEqual(code(self.ask(server, REQUEST)), 200)
        self.assertEqual(kit.ready(peers, 0), [], "answered only after others had timed out")

    def test_more_than_the_pool_delay_a_visitor_by_no_more_than_the_deadline(self):
        server = self.server()
        self.half_open(server, 2000)
        self.is_served_in_time(server)

    def test_visitors_who_never_read_delay_another_by_no_more_than_the_deadline(self):
        root = self.site()
        self.big(root)
        server = self.server(str(root))
        self.half_open(server, 2500, get(b"/big.bin"))
        self.is_served_in_time(server)

    def test_visitors_who_drip_delay_another_by_no_more_than_the_deadline(self):
        server, finished = self.server(), threading.Event()
        peers = self.half_open(server, 2500)

        def drip():
            while not finished.wait(0.5):
                for peer in peers:
                    with contextlib.suppress(OSError):
                        peer.send(b"x")

        dripper = threading.Thread(target=drip)
        dripper.start()
        try:
            self.is_served_in_time(server)
        finally:
            finished.set()
            dripper.join()

    def test_many_at_once_all_get_their_page(self):
        server = self.server()
        peers = [self.connect(server) for _ in range(400)]
        for peer in peers:
            peer.sendall(REQUEST)
        for peer in peers:
            self.assertEqual(code(kit.receive_all(peer)), 200)


@kit.both
class Files(Site):
    """The files below ROOT, and nothing else."""

    def test_files_arrive_with_their_types(self):
        root = self.site()
        server = self.server(str(root))
        types = {"html": b"text/html; charset=utf-8", "txt": b"text/plain; charset=utf-8",
                 "css": b"text/css; charset=utf-8", "js": b"text/javascript; charset=utf-8",
                 "json": b"application/json", "svg": b"image/svg+xml", "png": b"image/png", "JPG": b"image/jpeg",
                 "gif": b"image/gif", "pdf": b"application/pdf", "x": b"application/octet-stream"}
        for end, kind in types.items():
            (root / f"file.{end}").write_bytes(end.encode())
            answer = self.ask(server, get(b"/file.%s" % end.encode()))
            self.assertIn(b"Content-Type: " + kind, head_of(answer))
            self.assertEqual(body_of(answer), end.encode())
        self.assertEqual(body_of(self.ask(server, get(b"/empty.bin"))), b"")

    def test_names_are_percent_decoded(self):
        root = self.site()
        server = self.server(str(root))
        (root / "a b%.txt").write_bytes(b"spaced")
        hello = (root / "你好.txt").read_bytes()
        self.assertEqual(body_of(self.ask(server, get(b"/%E4%BD%A0%E5%A5%BD.txt"))), hello)
        self.assertEqual(body_of(self.ask(server, get("/你好.txt".encode()))), hello)
        self.assertEqual(body_of(self.ask(server, get(b"/a%20b%25.t%78t?x"))), b"spaced")

    def test_directories(self):
        root = self.site()
        (root / "a:b").mkdir()
        server = self.server(str(root))
        self.assertIn(b"Served over a socket", self.ask(server, get(b"/")))
        self.assertEqual(body_of(self.ask(server, get(b"/sub/"))), b"<p>sub</p>\n")
        for target, place in [("/sub", "/sub/"), ("/sub?q=/1", "/sub/?q=/1"), ("//sub", "/sub/"), ("/a:b", "/a:b/"),
                              ("/%73ub", "/%73ub/"), ("http://x//sub", "/sub/"), ("http://x/sub?q", "/sub/?q")]:
            answer = self.ask(server, get(target.encode()))
            self.assertEqual(code(answer), 301)
            location = dict(line.split(b": ", 1) for line in head_of(answer)[1:])[b"Location"].decode()
            base = target if target.startswith("http:") else "http://x" + target
            self.assertEqual(urllib.parse.urljoin(base, location).replace("x//", "x/"), "http://x" + place)
        self.assertEqual(code(self.ask(server, get(b"/bare/"))), 404)
        self.assertEqual(code(self.ask(server, get(b"/index.html/"))), 404)
        self.assertEqual(code(self.ask(server, get(b"/index.html/x"))), 404)

    def test_head_is_get_without_the_body(self):
        server = self.server(str(self.site()))
        for path in b"/", b"/sub", b"/nothing":
            answer = self.ask(server, get(path, method=b"HEAD"))
            self.assertEqual(head_of(answer), head_of(self.ask(server, get(path))))
            self.assertTrue(answer.endswith(b"\r\n\r\n"))
            self.assertEqual(body_of(answer), b"")

    def test_nothing_outside_root_is_served(self):
        root = self.site()
        secret = root.parent / "secret.txt"
        (root / "link.txt").symlink_to(secret)
        (root / "relative.txt").symlink_to("../secret.txt")
        (root / "up").symlink_to("..")
        (root / "sub" / "index.txt").symlink_to("../../secret.txt")
        server = self.server(str(root))
        for path in ["/link.txt", "/relative.txt", "/up/secret.txt", "/sub/index.txt", "/../secret.txt",
                     "/sub/../../secret.txt", "/%2e%2e/secret.txt", "/.%2E/secret.txt", "/..%2fsecret.txt",
                     "/%2e%2e%2fsecret.txt", "/sub/..%2f../secret.txt", "/..", "/sub/..", "/../root/index.html",
                     "/..%00/secret.txt", "/index.html%00", f"/{secret}", f"{secret}", f"/%2f{secret}",
                     "/..\\secret.txt", "/%252e%252e/secret.txt", "http://x/../secret.txt", "../secret.txt"]:
            answer = self.ask(server, get(path.encode()))
            link = path.startswith(("/link.", "/relative.", "/up/"))
            self.assertIn(code(answer), (403,) if link else (400, 403, 404), path)
            self.assertNotIn(SECRET, answer)

    def test_a_directory_swapped_for_a_link_leads_nowhere(self):
        root = self.site()
        (root / "sub" / "secret.txt").write_bytes(b"harmless\n")
        (root / "aside").symlink_to("..")
        server = self.server(str(root))
        finished = threading.Event()

        def swap():
            while not finished.is_set():
                os.rename(root / "sub", root / "kept")
                os.rename(root / "aside", root / "sub")
                os.rename(root / "sub", root / "aside")
                os.rename(root / "kept", root / "sub")

        swapper = threading.Thread(target=swap)
        swapper.start()
        answers = []
        try:
            for _ in range(600):
                answers.append(self.ask(server, get(b"/sub/secret.txt")))
        finally:
            finished.set()
            swapper.join()
        self.assertNotIn(SECRET, {body_of(answer) for answer in answers})
        self.assertLessEqual({code(answer) for answer in answers}, {200, 403, 404})
        self.assertIn(b"harmless\n", {body_of(answer) for answer in answers})
        self.assertEqual(code(self.ask(server, get(b"/sub/secret.txt"))), 200)

    def test_a_fifo_is_refused_at_once(self):
        root = self.site()
        os.mkfifo(root / "fifo")
        self.assertEqual(code(self.ask(self.server(str(root)), get(b"/fifo"))), 403)

    def test_64_mib_arrive_intact_in_constant_memory(self):
        root = self.site()
        digest = self.big(root)
        server = self.server(str(root))
        before = memory(server)
        for method, size in (b"GET", BIG), (b"HEAD", 0):
            body = body_of(self.ask(server, get(b"/big.bin", method=method)))
            self.assertEqual(len(body), size)
            if size:
                self.assertEqual(hashlib.sha256(body).hexdigest(), digest)
        self.assertLess(memory(server) - before, 16384 if not kit.SANITIZED else 65536)


@kit.both
class Visitors(Site):
    """The server's visitors from the real world."""

    def url(self, path="/"):
        """A URL of a server that serves the site."""
        self.root = self.site()
        self.running = self.server(str(self.root))
        return f"http://127.0.0.1:{self.running.port}{path}"

    @kit.needs("curl")
    def test_curl(self):
        url = self.url("/你好.txt")
        status, out, err = self.run_program(["curl", "-sS", "-f", "--max-time", "20", url])
        self.assertEqual((status, out, err), (0, (self.root / "你好.txt").read_text(), ""))
        status, out, err = self.run_program(["curl", "-sSfL", "--max-time", "20", url.replace("你好.txt", "sub")])
        self.assertEqual((status, out, err), (0, "<p>sub</p>\n", ""))

    @kit.needs("wget")
    def test_wget(self):
        status, out, _ = self.run_program(["wget", "-q", "-T", "20", "-t", "1", "-O", "-", self.url("/sub")])
        self.assertEqual((status, out), (0, "<p>sub</p>\n"))

    @kit.needs("ab", "apache2-utils")
    def test_ab(self):
        status, out, err = self.run_program(["ab", "-q", "-n", "2000", "-c", "50", self.url("/sub/")])
        self.assertEqual(status, 0, err)
        self.assertRegex(out, r"Complete requests: +2000\n")
        self.assertRegex(out, r"Failed requests: +0\n")
        self.assertNotIn("Non-2xx", out)

    @kit.needs("chromium")
    def test_chromium_shows_the_page_and_its_picture(self):
        url = self.url("/check.html")
        (self.root / "check.html").write_text((self.root / "index.html").read_text() + """<script>
            onload = () => document.title = `picture ${document.images[0].naturalWidth} wide, margin of the page `
                                            + getComputedStyle(document.body).margin;
            </script>""")
        shot = kit.ROOT / "build" / f"04_http_get-{self.language}.png"
        shot.parent.mkdir(exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            shot.unlink()
        chromium = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                    f"--user-data-dir={self.folder()}", "--enable-logging=stderr", "--window-size=800,700"]
        patience = 3 * kit.PATIENCE
        for last in ["--dump-dom"], [f"--screenshot={shot}", "--hide-scrollbars"]:
            program = self.start(chromium + last + [url])
            self.assertEqual(program.wait(patience), 0)
            self.assertNotIn(b"CONSOLE", program.err)
            if last == ["--dump-dom"]:
                self.assertIn("<title>picture 640 wide, margin of the page 0px</title>", program.out.decode())
                self.assertIn("你好.txt", program.out.decode())
        self.assertTrue(shot.read_bytes().startswith(b"\x89PNG"))
        self.running.expect("GET /exchange.svg HTTP/1.1: 200, ")
        self.running.expect("GET /style.css HTTP/1.1: 200, ")
        self.assertNotRegex(self.running.out, rb"HTTP/1.1: (?!200)")

    @kit.needs("strace")
    def test_head_and_small_body_leave_in_one_send(self):
        trace = self.folder() / "trace"
        root = self.site()
        server = self.server(str(root), under=["strace", "-D", "-f", "-o", str(trace), "-e", "trace=sendto,sendmsg,sendfile"])
        answer = self.ask(server, get(b"/sub/"))
        server.expect(": 200, ")
        calls = [line for line in trace.read_text().split("\n") if "HTTP/1.1" in line or "<p>" in line]
        self.assertEqual(len(calls), 1, calls)
        self.assertIn(f"= {len(answer)}", calls[0])


def scripted(response, pause=None):
    """A server's part: reads a request, sends the response, in two halves with pause() between them."""
    def play(connection):
        while b"\r\n\r\n" not in connection.recv(65536):
            pass
        half = len(response) // 2
        connection.sendall(response[:half])
        if pause:
            pause()
        with contextlib.suppress(OSError):
            connection.sendall(response[half:])
    return play


@kit.both
class Client(Site):
    """The client against servers that we script."""

    def fetch(self, response, pause=None):
        """Run the client against a server that sends this. Returns exit status, stdout, stderr, as bytes."""
        peer = self.peer(scripted(response, pause))
        program = self.start(self.command("client") + [f"http://127.0.0.1:{peer.port}/"])
        return program.wait(), bytes(program.out), program.err.decode()

    def test_complete_responses_of_every_kind(self):
        head = b"HTTP/1.1 200 OK\r\n"
        for response in [
                head + b"Content-Length: 5\r\n\r\nhello", head + b"content-length:\t5 \r\n\r\nhello",
                head + b"\r\nuntil the end",
                head + b"Content-Length: 0\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n",
                b"HTTP/1.1 304\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n", b"HTTP/1.0 500 \r\n\r\nsorry",
                head + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
                b"HTTP/1.1 200 OK\nContent-Length: 2\n\n\0\xff",
                b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n" + head + b"Content-Length: 1\r\n\r\nx",
                head + b"Transfer-Encoding:chunked \r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                head + b"Transfer-Encoding: gzip, Chunked\r\nContent-Length: 1\r\n\r\na;x=y\r\n0123456789\r\n00\r\nTrailer: x\r\n\r\n",
                head + b"X: " + b"y" * 100000 + b"\r\nContent-Length: 1\r\n\r\nz",
                head + b"Content-Length: 5\0\r\n\r\nhello",  # RFC 9110 5.5: a zero byte is a blank
                head + b"Content-Length\r\n\r\nno header without its colon",
                head + b"Content-Length: 000000000000000005\r\n\r\nhello",
                head + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 5000 + b"5 \r\nhello\r\n0\r\n\r\n"]:
            with self.subTest(response=response[:200]):
                status, out, err = self.fetch(response)
                self.assertEqual((status, out), (0, response), err)
                self.assertIn(f"received {len(response)} bytes in ", err)

    def test_broken_responses_are_printed_and_named(self):
        head = b"HTTP/1.1 200 OK\r\n"
        chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
        for response, words in [
                (b"", "the server closed without an answer"), (b"Hello!", "this is no HTTP response"),
                (b"Hello!\n", "this is no HTTP response"), (b"SSH-2.0-x\r\n", "this is no HTTP response"),
                (b"HTTP/1.1 2000 OK\r\n\r\n", "this is no HTTP response"),
                (b"HTTP/1.1 20\r\n\r\n", "this is no HTTP response"),
                (b"HTTP/1.1_200 OK\r\n\r\n", "this is no HTTP response"),
                (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/\r\n\r\n", "this is no HTTP response"),
                (b"HTTP/1.1 200", "its head has no end"), (head + b"X: y\r\n", "its head has no end"),
                (head + b"X: y\r\n" * 60000, "its head has no end"),
                (head + b"Content-Length: 6\r\n\r\nhello", "fewer bytes than its Content-Length"),
                (head + b"\0\r\nContent-Length: 6\r\n\r\nhello", "fewer bytes than its Content-Length"),
                (head + b"Content-Length: x\r\n\r\nhello", "its Content-Length is no number, or two differ"),
                (head + b"Content-Length: -1\r\n\r\nhello", "its Content-Length is no number, or two differ"),
                (head + b"Content-Length: 99999999999999999999\r\n\r\nhello", "its Content-Length is no number, or two differ"),
                (head + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "its Content-Length is no number, or two differ"),
                *[(chunked + rest, "a chunk is damaged, or the last one is missing") for rest in (
                    b"5\r\nhello\r\n", b"5\r\nhel", b"0\r\n", b"zz\r\nhello", b"0x5\r\nhello\r\n0\r\n\r\n",
                    b"3\r\nhello\r\n0\r\n\r\n", b"ffffffffffffffffff\r\nhello", b"\r\n0\r\n\r\n",
                    b"-5\r\nhello", b"0\r\nX: y", b"\0" * 262200)],
                (head + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n5\r\nhello\r\n", "a chunk is damaged"),
                (head + b"Transfer-Encoding: gzip\r\n\r\nuntil the end", "a chunk is damaged"),  # RFC 9110 10.1.4
                (b"HTTP/1.1 100 Continue\r\n\r\n", "the server closed without an answer"),
                (head + b"Content-Length: 5x\r\n\r\nhello", "its Content-Length is no number, or two differ"),
                (head + b"Content-Length: 3" + b" " * 2000 + b"x\r\n\r\nhello", "its Content-Length is no number, or two differ")]:
            with self.subTest(response=response[:200]):
                status, out, err = self.fetch(response)
                self.assertEqual((status, out), (1, response), err)
                self.assertRegex(err, r"client: recv 127\.0\.0\.1:\d+: " + words + r".*\n\Z")

    def test_what_has_no_end_is_named_too(self):
        head = b"HTTP/1.1 200 OK\r\n"
        chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
        for begin, again, words in [
                (b"", b"HTTP/1.1 100 Continue\r\n\r\n", "its head has no end"), (head, b"X: y\r\n", "its head has no end"),
                (head, b"y", "its head has no end"), (b"HTTP/1.1 200 ", b"y", "its head has no end"),
                (b"", b"y", "this is no HTTP response"), (chunked, b"0", "a chunk is damaged, or the last one is missing"),
                (chunked + b"0\r\n", b"X: y\r\n", "a chunk is damaged, or the last one is missing")]:
            def play(connection):
                connection.recv(65536)
                connection.sendall(begin)
                with contextlib.suppress(OSError):
                    while True:
                        connection.sendall(again * 10000)

            with self.subTest(begin=begin, again=again):
                peer = self.peer(play)
                program = self.start(self.command("client") + [f"http://127.0.0.1:{peer.port}/"], stdout=subprocess.DEVNULL)
                self.assertEqual(program.wait(), 1)
                self.assertRegex(program.err.decode(), r"client: recv 127\.0\.0\.1:\d+: " + words + r"\n\Z")

    def test_standard_error_tells_what_happened(self):
        _, _, err = self.fetch(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\nno")
        self.assertRegex(err, r"\Aresolved 127\.0\.0\.1, connected to 127\.0\.0\.1:\d+\nstatus 404\n"
                              r"received 53 bytes in \d+\.\d{3} seconds\n\Z")

    def test_what_comes_with_the_end_of_a_complete_response_is_no_fault(self):
        response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + b"more"
        self.assertEqual(self.fetch(response)[:2], (0, response))

    def test_what_has_come_is_printed_before_the_rest_comes(self):
        printed = threading.Event()
        self.addCleanup(printed.set)
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"half" * 25
        peer = self.peer(scripted(whole, lambda: printed.wait(kit.PATIENCE)))
        program = self.start(self.command("client") + [f"http://127.0.0.1:{peer.port}/"])
        half = whole[:len(whole) // 2]
        program.until(lambda: program.out == half, "the first half, and no more")
        printed.set()
        self.assertEqual((program.wait(), bytes(program.out)), (0, whole))

    def test_what_comes_after_a_fault_is_printed_too(self):
        printed = threading.Event()
        self.addCleanup(printed.set)
        peer = self.peer(scripted(b"Hello!\nworld!\n", lambda: printed.wait(kit.PATIENCE)))
        program = self.start(self.command("client") + [f"http://127.0.0.1:{peer.port}/"])
        program.until(lambda: program.out == b"Hello!\n", "the first line, which is no HTTP")
        printed.set()
        self.assertEqual((program.wait(), bytes(program.out)), (1, b"Hello!\nworld!\n"))

    def test_a_reset_after_a_fault_does_not_hide_it(self):
        def play(connection):
            connection.recv(65536)
            connection.sendall(b"Hello!\n")
            printed.wait(kit.PATIENCE)
            kit.reset(connection)

        printed = threading.Event()
        self.addCleanup(printed.set)
        program = self.start(self.command("client") + [f"http://127.0.0.1:{self.peer(play).port}/"])
        program.until(lambda: program.out == b"Hello!\n", "what came before the reset")
        printed.set()
        self.assertEqual(program.wait(), 1)
        self.assertRegex(program.err.decode(), r"client: recv 127\.0\.0\.1:\d+: this is no HTTP response\n\Z")

    def test_a_server_that_keeps_the_connection_open(self):
        finished = threading.Event()
        self.addCleanup(finished.set)
        for whole in (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
                      b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"HTTP/1.1 204 No Content\r\n\r\n"):
            def play(connection, whole=whole):
                scripted(whole)(connection)
                finished.wait(kit.PATIENCE)

            peer = self.peer(play)
            program = self.start(self.command("client") + [f"http://127.0.0.1:{peer.port}/"])
            self.assertEqual((program.wait(), bytes(program.out)), (0, whole))
            self.assertFalse(finished.is_set())
        finished.set()

    def test_a_server_that_falls_silent(self):
        finished = threading.Event()
        self.addCleanup(finished.set)
        since = []

        def pause():
            since.append(time.monotonic())
            finished.wait(4 * SILENCE)

        peer = self.peer(scripted(b"HTTP/1.1 200 OK\r\n\r\nhalf half", pause))
        program = self.start(self.command("client") + [f"http://127.0.0.1:{peer.port}/"])
        self.assertEqual(program.wait(3 * SILENCE), 1)
        self.assertGreater(time.monotonic() - since[0], 0.8 * SILENCE)
        self.assertFalse(finished.is_set())
        finished.set()
        self.assertTrue(program.out.startswith(b"HTTP/1.1 200"))
        self.assertIn(b": no answer within 10 seconds: is it busy?\n", program.err)

    def test_a_server_that_resets(self):
        peer = self.peer(kit.reset)
        status, _, err = self.run_program(self.command("client") + [f"http://127.0.0.1:{peer.port}/"])
        self.assertEqual(status, 1)
        self.assertIn("Connection reset by peer", err)

    def test_nobody_listens(self):
        port = free_port()
        status, out, err = self.run_program(self.command("client") + [f"http://127.0.0.1:{port}/"])
        self.assertEqual((status, out), (1, ""))
        self.assertIn(f"client: connect 127.0.0.1:{port}: Connection refused\n", err)

    def test_the_request_is_what_the_url_says(self):
        heard = []

        def play(connection):
            heard.append(connection.recv(65536))
            connection.sendall(b"HTTP/1.1 204 x\r\n\r\n")

        port = self.peer(play).port
        for rest, target in [("", "/"), ("/", "/"), ("/a/b?c=d&e", "/a/b?c=d&e"), ("?q", "/?q"), ("#x", "/"),
                             ("/a#b?c", "/a"), ("/a b", "/a%20b"), ("/你", "/%E4%BD%A0"), ("/%41", "/%41"),
                             ('/"<>\\^`{|}~', "/%22%3C%3E%5C%5E%60%7B%7C%7D~"), ("/a?b c@d:e", "/a?b%20c@d:e")]:
            status, _, err = self.run_program(self.command("client") + [f"HTTP://127.0.0.1:{port}{rest}"])
            self.assertEqual(status, 0, err)
            lines = heard.pop().decode("ascii").split("\r\n")
            self.assertEqual(lines[:3], [f"GET {target} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: close"])
            self.assertRegex(lines[3], "^User-Agent: .")
            self.assertEqual(lines[4:], ["", ""])

    @kit.linux
    def test_port_80_is_the_default_and_not_named(self):
        server = self.start([*self.network(), *self.command("server"), "127.0.0.1", "80"])
        server.expect("listening on 127.0.0.1:80\n")
        there = [f"--{name}" for name in ("user", "net")  # the namespaces that are not ours
                 if os.readlink(f"/proc/{server.pid}/ns/{name}") != os.readlink(f"/proc/self/ns/{name}")]
        for url in "http://127.0.0.1", "http://127.0.0.1:80/":
            status, out, err = self.run_program(
                ["nsenter", f"--target={server.pid}", "--preserve-credentials", *there, *self.command("client"), url])
            self.assertEqual((status, out[:15]), (0, "HTTP/1.1 200 OK"), err)
            self.assertIn("\nHost: 127.0.0.1\n", out)

    def test_urls_that_are_refused(self):
        for url, words in [("https://127.0.0.1/", "TLS"), ("HTTPS://x", "TLS"), ("ftp://x/", "http://"),
        ("127.0.0.1", "http://"),
                           ("", "http://"), ("http://", "HOST is"), ("http:///x", "HOST is"),
                           ("http://:80/", "HOST is"),
                           ("http://[::1/", "HOST is"), ("http://::1/", "HOST is"),
                           ("http://]/", "HOST is"), ("http://127.0.0.1]/", "HOST is"),
                           ("http://" + "a" * 300, "HOST is"), ("http://127.0.0.1:/", "PORT"),
                           ("http://u:p@127.0.0.1/", "no user name"), ("http://u@127.0.0.1", "no user name"),
                           ("http://127.0.0.1:0/", "PORT"), ("http://127.0.0.1:65536/", "PORT"),
                           ("http://127.0.0.1:x/", "PORT"),
                           ("http://127.0.0.1:80x/", "PORT"), ("http://127.0.0.1:-1/", "PORT"),
                           ("http://[::1]x/", "HOST is"), ("http://[::1[]/", "HOST is"), ("http://127.0.0.1:000080/", "PORT"),
                           ("http://127.0.0.1:4294967376/", "PORT"), ("http://127.0.0.1:" + "1" * 5000, "PORT"),
                           ("http://127.0.0.1:" + "0" * 5000, "PORT"), ("http://127.0.0.1:80:/", "PORT"),
                           ("http://127.0.0.1/" + "x" * 9000, "8192"),
                           ("http://127.0.0.1/\r\nX: y", "control"),
                           ("http://127.0.0.1/\x1b[2J", "control"), ("http://x\x7f/", "control")]:
            with self.subTest(url=url):
                status, out, err = self.run_program(self.command("client") + [url])
                self.assertEqual((status, out), (2, ""))
                self.assertIn(words, err)
                self.assertNotIn("\x1b", err)

    def test_usage(self):
        for arguments, status in [(["-h"], 0), (["--help"], 0), (["-x"], 2), (["http://x", "y"], 2)]:
            result, out, err = self.run_program(self.command("client") + arguments)
            self.assertEqual(result, status, arguments)
            self.assertTrue((err if status else out).startswith("usage: client [URL]"))

    def test_a_name_that_does_not_resolve(self):
        status, _, err = self.run_program(self.command("client") + ["http://nothing.invalid/"])
        self.assertEqual(status, 1)
        self.assertTrue(err.startswith("client: resolve nothing.invalid: "), err)

    def test_its_output_cannot_be_written(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full on this system")
        peer = self.peer(scripted(b"HTTP/1.1 200 OK\r\n\r\nx" * 10))
        with open("/dev/full", "wb") as full:
            program = self.start(self.command("client") + [f"http://127.0.0.1:{peer.port}/"], stdout=full)
            self.assertEqual(program.wait(), 1)
        self.assertIn(b"client: write standard output: No space left on device\n", program.err)

    def test_output_into_a_pipe_that_closes_is_an_error(self):
        peer = self.peer(scripted(b"HTTP/1.1 200 OK\r\n\r\nx"))
        reading, writing = os.pipe()
        kit.close_reading(reading, writing)
        program = self.start(self.command("client") + [f"http://127.0.0.1:{peer.port}/"], stdout=writing)
        os.close(writing)
        self.assertEqual(program.wait(), 1)
        self.assertIn(b"client: write standard output: Broken pipe\n", program.err)

    def test_a_closed_output_is_an_error_and_nothing_is_sent(self):
        argv = [*self.command("client"), "http://127.0.0.1:1/"]  # a connect would be refused, and said
        status, out, err = self.run_program(["sh", "-c", 'exec "$@" >&-', "sh", *argv])
        self.assertEqual((status, out, err), (1, "", "client: write standard output: Bad file descriptor\n"))

    def test_a_closed_standard_error_is_no_place_for_the_socket(self):
        peer = self.peer(lambda connection: self.fail(f"came: {connection.recv(1024)!r}"))
        argv = ["sh", "-c", 'exec "$@" 2>&-', "sh", *self.command("client"), f"http://127.0.0.1:{peer.port}/"]
        self.assertEqual(self.run_program(argv), (1, "", ""))

    def seen(self, response):
        """Run the client on a terminal, against a server that sends this. Returns what it shows, and stderr."""
        peer = self.peer(scripted(response))
        ours, theirs = pty.openpty()
        program = self.start(self.command("client") + [f"http://127.0.0.1:{peer.port}/"], stdout=theirs)
        self.assertEqual(program.wait(), 0)
        os.close(theirs)
        seen = b""
        with contextlib.suppress(OSError):  # Linux: EIO at the end
            while more := os.read(ours, 65536):
                seen += more
        os.close(ours)
        return seen.replace(b"\r\n", b"\n").decode(), program.err

    def test_a_terminal_gets_no_control_characters(self):
        seen, err = self.seen(b"HTTP/1.1 200 \x1b]0;x\x07\r\n\r\n\x1b[2J\xe4\xbd\xa0\xff\nend")
        self.assertEqual(seen, "HTTP/1.1 200 \\x1b]0;x\\x07\\r\n\\r\n\\x1b[2J你\\xff\nend\n")  # and the line ends
        self.assertNotIn(b"\x1b", err)

    def test_a_terminal_gets_the_characters_of_a_long_line_whole(self):
        line = "你" * 700 + "12345"  # the halves that are sent meet between two characters
        self.assertEqual(self.seen(b"HTTP/1.1 200 \r\n\r\n" + line.encode())[0], "HTTP/1.1 200 \\r\n\\r\n" + line + "\n")

    def test_a_large_response_in_constant_memory(self):
        block, count = os.urandom(1 << 20), 64
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        digest = hashlib.sha256()
        measured, started = [], threading.Event()

        def play(connection):
            connection.recv(65536)
            started.wait(kit.PATIENCE)
            parts = [head] + [b"%x\r\n%s\r\n" % (len(block), block)] * count + [b"0\r\n\r\n"]
            for part in parts:
                if part is parts[-1]:  # when it has come, the client ends
                    measured.append(memory(program))
                digest.update(part)
                connection.sendall(part)
                if part is parts[1] and not measured:
                    measured.append(memory(program))
            connection.recv(1)

        peer = self.peer(play)
        received = hashlib.sha256()
        output, other = os.pipe()
        program = self.start(self.command("client") + [f"http://127.0.0.1:{peer.port}/"], stdout=other)
        started.set()
        os.close(other)
        with open(output, "rb") as pipe:
            while data := pipe.read1(1 << 20):
                received.update(data)
        self.assertEqual(program.wait(), 0)
        peer.close()
        self.assertEqual(received.hexdigest(), digest.hexdigest())
        self.assertLess(measured[1] - measured[0], 16384)

    def test_the_notes_server_that_speaks_no_http(self):
        def play(connection):
            connection.recv(1024)
            connection.sendall(b"Hello!")

        peer = self.peer(play)
        status, out, err = self.run_program(self.command("client") + [f"http://127.0.0.1:{peer.port}/"])
        self.assertEqual((status, out), (1, "Hello!"))
        self.assertIn("this is no HTTP response", err)


@kit.both
class Addresses(demands.TCPAddresses):
    """A name with several addresses, in a URL."""

    lesson = "04_http_get"

    def target(self, port):
        return [f"http://{self.name}:{port}/"]


@kit.both
class Unreachable(demands.Unreachable):
    """A server that does not accept."""

    lesson = "04_http_get"
    silence = "no answer within 10 seconds: is it busy?"

    def client(self, port):
        return self.start([*self.command("client"), f"http://127.0.0.1:{port}/"])


@kit.both
class RealServers(Site):
    """The client against the servers of the real world."""

    def compare(self, port, paths):
        """The client's output is curl's, the Date aside."""
        for path in paths:
            url = f"http://127.0.0.1:{port}{path}"
            client = self.start(self.command("client") + [url])
            self.assertEqual(client.wait(), 0, client.err)
            curl = self.start(["curl", "--http1.1", "-i", "-s", "--raw", "-H", "Connection: close", url])
            self.assertEqual(curl.wait(), 0)
            ours, theirs = bytes(client.out), bytes(curl.out)
            self.assertEqual(head_of(ours), head_of(theirs))
            self.assertEqual(body_of(ours), body_of(theirs))
            self.assertTrue(ours.startswith(b"HTTP/1."))

    @kit.needs("nginx")
    @kit.needs("curl")
    def test_nginx(self):
        root, folder, port = self.site(), self.folder(), free_port()
        self.big(root)
        root.parent.chmod(0o755)
        (root / "ssi").mkdir()  # a page that the server puts together comes in chunks
        (root / "ssi" / "index.html").write_text("<p>" + "before" * 9999 + '<!--# include virtual="/sub/index.html" -->')
        server = self.start(nginx(folder, root, port, "location /ssi/ { ssi on; }"))
        self.wait_for(server, port).close()
        self.compare(port, ["/", "/%E4%BD%A0%E5%A5%BD.txt", "/nothing", "/sub", "/empty.bin", "/big.bin", "/ssi/"])
        self.assertIn("Transfer-Encoding: chunked", self.run_program(["curl", "-si", f"http://127.0.0.1:{port}/ssi/"])[1])

    @kit.needs("lighttpd")
    @kit.needs("curl")
    def test_lighttpd(self):
        root, folder, port = self.site(), self.folder(), free_port()
        (folder / "lighttpd.conf").write_text(
            f'server.document-root = "{root}"\nserver.port = {port}\nserver.bind = "127.0.0.1"\n'
            'index-file.names = ("index.html")\n')
        server = self.start(["lighttpd", "-D", "-f", str(folder / "lighttpd.conf")],
                            env=dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin"))
        self.wait_for(server, port).close()
        self.compare(port, ["/", "/exchange.svg", "/nothing", "/sub/", "/empty.bin"])

    @kit.needs("curl")
    def test_python_http_server(self):
        server = self.start(["python3", "-u", "-m", "http.server", "--bind", "127.0.0.1", "-d", str(self.site()), "0"])
        server.expect("Serving HTTP on ")
        port = int(re.search(rb"port (\d+)", server.out)[1])
        self.compare(port, ["/", "/exchange.svg", "/nothing", "/sub", "/empty.bin"])

    @kit.needs("curl")
    def test_the_other_languages_server(self):
        root = self.site()
        self.language = {"C": "Python", "Python": "C"}[self.language]
        server = self.server(str(root))
        self.language = {"C": "Python", "Python": "C"}[self.language]
        self.compare(server.port, ["/", "/exchange.svg", "/nothing", "/sub", "/empty.bin"])


@kit.both
class PortCheck(Site):
    """port_check: open, closed or no answer."""

    alone = True  # a range of ports holds the servers of other cases, who take it for a client

    def check(self, *arguments):
        """Run it. Returns exit status, lines of stdout, stderr."""
        status, out, err = self.run_program(self.command("port_check") + [str(argument) for argument in arguments])
        return status, out.splitlines(), err

    def test_open_and_closed(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port, closed = listener.getsockname()[1], free_port()
            expected = [f"127.0.0.1:{port} open", f"127.0.0.1:{closed} closed"]
            self.assertEqual(self.check("127.0.0.1", port, closed), (0, expected, ""))
            self.assertEqual(self.check(port, f"{closed}-{closed}"), (0, expected, ""))

    def test_each_address_of_a_name_is_checked(self):
        addresses = "127.0.0.5", "127.0.0.6"
        under = self.naming("twin.test", *addresses)
        with socket.create_server((addresses[0], 0)) as listener, socket.socket() as bound:
            port = listener.getsockname()[1]
            bound.bind((addresses[1], port))
            status, out, err = self.run_program([*under, *self.command("port_check"), "twin.test", str(port)])
        self.assertEqual((status, sorted(out.splitlines()), err), (
            0, [f"127.0.0.5:{port} open", f"127.0.0.6:{port} closed"], ""))

    def test_a_range_of_1000_ports(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            first = min(port - 10, 64536)
            start = time.monotonic()
            status, lines, _ = self.check("127.0.0.1", f"{first}-{first + 999}")
            seconds = time.monotonic() - start
        self.assertEqual(status, 0)
        self.assertEqual([int(line.split()[0].split(":")[1]) for line in lines], list(range(first, first + 1000)))
        self.assertIn(f"127.0.0.1:{port} open", lines)
        self.assertLess(seconds, 2 if not kit.SANITIZED else 20)

    @kit.linux
    def test_silent_ports_share_their_second(self):
        for first in range(20000, 30000, 10):  # ten free ports in a row
            with contextlib.suppress(OSError):
                ports = [self.full_listener(port)[1] for port in range(first, first + 10)]
                break
        expected = [f"127.0.0.1:{port} no answer" for port in ports]
        for arguments, lines in ([f"{first}-{first + 9}"], expected), (ports[::-1], expected[::-1]):
            start = time.monotonic()
            self.assertEqual(self.check(*arguments), (0, lines, ""))
            self.assertLess(time.monotonic() - start, 5)

    @kit.linux
    def test_a_connection_to_oneself_is_no_listener(self):
        under = self.network('echo "40000 40000" >/proc/sys/net/ipv4/ip_local_port_range')  # the kernel's only choice
        for host in "127.0.0.1", "0.0.0.0":
            self.assertEqual(self.run_program([*under, *self.command("port_check"), host, "40000"]),
                             (0, f"{host}:40000 closed\n", ""))

    def test_a_listener_that_resets_at_once_is_open(self):
        closed = free_port()
        for before in lambda connection: None, lambda connection: connection.shutdown(socket.SHUT_WR):
            port = self.peer(lambda connection, before=before: (before(connection), kit.reset(connection))).port
            status, out, err = self.check(port, *[closed] * 150)  # these give it the time to reset
            self.assertEqual((status, out[0], err), (0, f"127.0.0.1:{port} open", ""))

    @kit.linux
    def test_a_port_that_answers_while_it_is_stopped_is_open(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)  # Linux: room for one
            listener.settimeout(kit.PATIENCE)
            port = listener.getsockname()[1]
            self.connect(port)
            program = self.start([*self.command("port_check"), str(port)])
            kit.eventually(lambda: f":{port:04X} 02 " in pathlib.Path("/proc/net/tcp").read_text(), "a SYN")
            program.send_signal(signal.SIGSTOP)
            kit.eventually(lambda: kit.states(program.pid) == {"T"}, "the program is stopped")
            listener.accept()
            listener.accept()  # the kernel has sent the SYN again, a second after the first
            program.send_signal(signal.SIGCONT)
            self.assertEqual((program.wait(), bytes(program.out)), (0, f"127.0.0.1:{port} open\n".encode()))

    @kit.ipv6
    def test_ipv6(self):
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener, socket.socket(socket.AF_INET6) as bound:
            bound.bind(("::1", 0))
            port, closed = listener.getsockname()[1], bound.getsockname()[1]
            self.assertEqual(self.check("::1", port, closed), (0, [f"[::1]:{port} open", f"[::1]:{closed} closed"], ""))

    def test_usage(self):
        for arguments, status in [(["-h"], 0), (["--help"], 0), ([], 2), (["127.0.0.1"], 2), (["0"], 2),
        (["65536"], 2),
                                  (["5-4"], 2), (["5-"], 2), (["x", "y"], 2), (["80", "127.0.0.1"], 2),
                                  (["-5"], 2)]:
            result, out, err = self.run_program(self.command("port_check") + arguments)
            self.assertEqual(result, status, arguments)
            self.assertIn("machines you are responsible for", err if status else out)

    def test_zeros_before_a_port(self):
        port = free_port()
        self.assertEqual(self.check(f"{port:012}"), (0, [f"127.0.0.1:{port} closed"], ""))

    def test_output_into_a_pipe_that_closes_is_an_error(self):
        reading, writing = os.pipe()
        kit.close_reading(reading, writing)
        program = self.start([*self.command("port_check"), "1"], stdout=writing)
        os.close(writing)
        self.assertEqual((program.wait(), bytes(program.err)),
                         (1, b"port_check: write standard output: Broken pipe\n"))

    def test_a_name_that_does_not_resolve(self):
        status, lines, err = self.check("nothing.invalid", 80)
        self.assertEqual((status, lines), (1, []))
        self.assertTrue(err.startswith("port_check: resolve nothing.invalid: "), err)


if __name__ == "__main__":
    unittest.main()
