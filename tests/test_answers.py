"""docs/answers.md: each patch fits the programs as they are, compiles, and does what is asked for."""
import os
import re
import signal
import socket
import subprocess

import kit

PAGE = (kit.ROOT / "docs" / "answers.md").read_text(encoding="utf-8")
PARTS = re.split(r"^(?:## Lesson |<details><summary>)(\d+)", PAGE, flags=re.M)  # text, number, text, ...
STRICT = "CFLAGS=-std=c17 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror"


def patches():
    """The patches of the page, each by lesson and exercise: {("01_basic", 5): text}."""
    return {(re.search(r"^\+\+\+ (\w+)/", part, re.M)[1], int(number)): re.search("```diff\n(.*?)```", part, re.S)[1]
            for number, part in zip(PARTS[1::2], PARTS[2::2]) if "```diff" in part}


class Answers(kit.Case):
    """docs/answers.md."""

    def command(self, name):
        """The argv that starts program `name` of the patched copy."""
        return [str(self.tree / self.lesson / name)]

    def patch(self, lesson, exercise):
        """Make a copy of the course in which the lesson's programs have the patch of the exercise."""
        self.lesson, self.tree = lesson, self.scratch_tree()
        subprocess.run(["git", "apply", "-p0"], cwd=self.tree, input=patches()[lesson, exercise].encode(), check=True)
        status, _, err = self.run_program(["make", "-s", "-C", str(self.tree / lesson), STRICT], patience=120,
                                         env={key: value for key, value in os.environ.items() if key != "MAKEFLAGS"})
        self.assertEqual(status, 0, err)

    def test_every_patch_compiles(self):
        self.assertEqual(len(patches()), PAGE.count("```diff"))
        compile(re.search("```python\n(.*?)```", PAGE, re.S)[1], "docs/answers.md", "exec")
        for lesson, exercise in patches():
            with self.subTest(f"{lesson} {exercise}"):
                self.patch(lesson, exercise)

    def test_02_6_answers_each_line(self):
        self.patch("02_echo_loop", 6)
        server = self.server()
        peer = self.connect(server)
        peer.sendall(b"one\ntwo\nth")
        self.assertEqual(kit.receive_exactly(peer, 18), b"Echo: oneEcho: two")
        peer.sendall(b"ree\n")
        self.assertEqual(kit.receive_exactly(peer, 11), b"Echo: three")
        peer.close()
        client = self.client(server.port)
        client.type("four\n\n")
        client.expect("Echo: four\n")

    def test_03_6_tells_the_others(self):
        self.patch("03_threaded", 6)
        server = self.server()
        first, second = self.connect(server), self.connect(server)
        server.expect("connected\n", count=2)
        first.sendall(b"hi")
        self.assertEqual(kit.receive_exactly(second, 8), b"Echo: hi")

    def test_04_5_answers_twice_on_one_connection(self):
        self.patch("04_http_get", 5)
        peer = self.connect(self.server())
        for last in b"", b"Connection: close\r\n":
            peer.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n" + last + b"\r\n")
            page = b""
            while b"</pre>\n" not in page:
                page += kit.receive_exactly(peer, 1)
            self.assertIn(b"Connection: close\r\n\r\n<" if last else b"Connection: keep-alive\r\n\r\n<", page)
        self.assertEqual(peer.recv(1), b"")

    def test_05_5_answers_a_repetition_without_a_line(self):
        self.patch("05_udp", 5)
        server = self.server(name="numbered_server")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.settimeout(kit.PATIENCE)
            for number in b"\0\0\0\1", b"\0\0\0\1", b"\0\0\0\2":
                peer.sendto(number + b"hi", server.address)
                self.assertEqual(peer.recv(100), number + b"Echo: hi")
        server.expect("sent number 2")
        self.assertEqual(server.out.count(b"sent number 1"), 1)

    def test_06_5_counts_what_is_missing(self):
        self.patch("06_buffers", 5)
        for rate, status in ("0", 0), ("2000000", 1):
            server = self.server(rate)
            client = self.client(server.port)
            if status == 1:
                client.expect("\n", count=3)
                self.assertEqual(client.stop(signal.SIGINT), 0)
            self.assertEqual((client.wait(), server.wait()), (0, status))
            self.assertEqual(b" bytes are missing" in server.err, status == 1)
