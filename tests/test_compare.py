"""scripts/compare: C and Python say the same in every lesson, and one changed byte is found."""
import os
import pathlib
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
import unittest

import kit

import lessons
from running import free_port

COMPARE = [sys.executable, str(kit.ROOT / "scripts" / "compare")]
NOTES_SERVER = """
import socket
server = socket.socket()
server.bind(("127.0.0.1", PORT))
server.listen(2)
while True:
    client, address = server.accept()
    print(address)
    while True:
        data = client.recv(1024)
        if not data:
            break
        client.send("收到你的消息".encode() + data)
    client.close()
"""
NOTES_HTTP = """
import socket
server = socket.socket()
server.bind(("127.0.0.1", PORT))
server.listen(1)
while True:
    client, address = server.accept()
    client.recv(1024)
    client.sendall(b"Hello!")
    client.close()
"""
NOTES_GREETER = """
import socket
server = socket.socket()
server.bind(("127.0.0.1", PORT))
server.listen(5)
client, address = server.accept()
client.send(b"Welcom")
while True:
    data = client.recv(1024)
    if not data or data == b"exit":
        break
    client.send(b"hello, " + data + b"!")
client.close()
"""
THREADED = """
import os, socket, threading
said, turn, again = [], threading.Lock(), os.path.exists(__file__ + ".again")
open(__file__ + ".again", "w").close()
def say(line):
    with turn:  # all is printed when all is said: in the first run in order, in the second as threads may
        said.append(line)
        if len(said) == 6:
            print("".join(reversed(said)) + 6 * "\\n" if again else "\\n".join(said) + "\\n", end="", flush=True)
def talk(client, address):
    say(str(address))
    while True:
        data = client.recv(1024)
        if not data:
            break
        say(data.decode())
        client.send(b"Echo: " + data)
    client.close()
server = socket.socket()
server.bind(("127.0.0.1", PORT))
server.listen(2)
while True:
    threading.Thread(target=talk, args=server.accept(), daemon=True).start()
"""
NOTES_CLIENT = """
import socket
client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
ADDRESS = ("localhost", PORT)
client.connect(ADDRESS)
client.sendall(b"Hello, server!")
print(client.recv(1024).decode())
client.close()
"""


@unittest.skipIf(kit.SANITIZED, "compares the plain programs")
class Compare(kit.Tidy):
    """The tool on every lesson."""

    def compare(self, *args, root=kit.ROOT):
        """(exit status, stdout) of a run; nothing may be said on stderr."""
        run = subprocess.run([sys.executable, str(root / "scripts" / "compare"), *args], capture_output=True,
                             text=True, timeout=120, env=self.environment)
        self.assertEqual(run.stderr, "")
        self.assertNothingLeft()
        return run.returncode, run.stdout

    def test_all_pairings_of_every_lesson_say_the_same(self):
        self.environment["PAGER"] = "sed s/^/paged:/"
        for key in lessons.LESSONS:
            with self.subTest(lesson=key):
                status, out = self.compare(key, "--no-table", "--side-by-side")
                self.check_pairings(status, out)
                self.assertRegex(out, r"\Aserver\.c {60,}\| server\.py\n")
                self.assertNotIn("\033", out)  # no colour, and no pager, into a pipe

    def check_pairings(self, status, out):
        self.assertEqual(status, 0, out)
        self.assertEqual(out.count("\n-- "), 4)
        self.assertIn("wire 1 ->", out)
        self.assertIn("said the same, byte for byte", out)

    def test_what_is_no_text_is_shown_in_hexadecimal_and_no_escape_is_broken(self):
        status, out = self.compare("06", "--no-table")
        self.assertEqual(status, 0)
        self.assertRegex(out, r'wire 1 -> +300000 bytes "(\\x[0-9a-f]{2})+"\n +"(\\x[0-9a-f]{2})+"\n')
        shown = re.findall(r'"(.*)"', self.compare("04", "--no-table")[1])
        self.assertTrue(any(line.endswith(r"\n") for line in shown), shown)
        self.assertEqual([line for line in shown if re.search(r"(?<!\\)(\\\\)*\\$", line)], [])

    def test_the_other_pairs_of_the_lessons_too(self):
        for key, name in (("01", "gbk"), ("02", "unix"), ("05", "numbered"), ("06", "framing")):
            with self.subTest(name):
                self.check_pairings(*self.compare(key, "--pair", name))

    @kit.needs("less")
    def test_on_a_terminal_with_colour_and_a_pager_that_q_ends(self):
        for key in lessons.LESSONS:
            with self.subTest(lesson=key):
                terminal = self.pager(key, "--no-table")
                terminal.type(b"q")
                status = terminal.wait()
                self.check_pairings(status, terminal.text())
                told = terminal.text().partition("== Lesson")[2].splitlines()
                self.assertEqual([line for line in told if len(line) > 80], [])
                self.assertNothingLeft()

    def pager(self, *args):
        """compare on a terminal, its pager waiting for a key behind the first screen."""
        self.environment.update(PAGER="less", TERM="xterm")
        terminal = self.on_terminal([*COMPARE, *args, "--side-by-side"])
        terminal.expect(b"\033[2m * server.c")  # comments are dim
        kit.eventually(lambda: any(line.startswith(b"less") for line in self.left()[0]), "the pager")
        terminal.expect(b"\n:")
        return terminal

    @kit.needs("less")
    def test_a_terminal_closed_behind_the_pager(self):
        self.assertEqual(self.pager("03").hang_up(), 129)
        self.soonNothingLeft()

    def test_ended_in_the_middle_of_a_conversation(self):
        mine = self.folder / "mine.py"
        mine.write_text("import socket, time\ns = socket.create_connection(('127.0.0.1', %d))\ntime.sleep(60)\n" % free_port())
        for way, status in ((b"\x03", 130), (None, 129)):
            with self.subTest(way):
                terminal = self.on_terminal([*COMPARE, "02", "--original", os.fspath(mine)])
                kit.eventually(lambda: {b"server", b"mine.py"} <= {word.rpartition(b"/")[2] for line in self.left()[0]
                                                                   if b"compare" not in line for word in line.split(b"\0")},
                               "server and client")
                if way:
                    terminal.type(way)
                    self.assertEqual(terminal.wait(), status, terminal.shown)
                else:
                    self.assertEqual(terminal.hang_up(), status)
                self.soonNothingLeft()

    def test_the_table_measures_both_languages(self):
        status, out = self.compare("02")
        rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.startswith(("server.", "client."))}
        self.assertEqual((status, set(rows)), (0, {"server.c", "client.c", "server.py", "client.py"}), out)
        self.assertLess(float(rows["server.c"][3]), float(rows["server.py"][3]))
        self.assertEqual(len(rows["server.c"]), 7, out)  # how fast they answer is bench's: a glance may say the opposite

    def test_a_container_that_forbids_strace(self):
        with tempfile.TemporaryDirectory() as folder:
            strace = pathlib.Path(folder, "strace")
            strace.write_text("#!/bin/sh\nexit 1\n")
            strace.chmod(0o755)
            run = subprocess.run([sys.executable, str(kit.ROOT / "scripts" / "compare"), "02"], capture_output=True,
                                 text=True, timeout=120, env=dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}"))
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertRegex(run.stdout, r"(?m)^server\.c +\d+ +- +- ")
        self.assertIn("\nno calls: strace may not trace here", run.stdout)

    def test_one_changed_byte_is_found(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name in ("scripts", "02_echo_loop"):
                shutil.copytree(kit.ROOT / name, root / name)
            program = root / "02_echo_loop" / "server.py"
            program.write_text(program.read_text("utf-8").replace('b"Echo: {}"', 'b"echo: {}"'), "utf-8")
            status, out = self.compare("02", "--no-table", root=root)
        self.assertEqual(status, 1, out)
        self.assertIn('byte 0 from the server on is "echo: ', out)
        self.assertIn("DIFFERS: client 1 printed 'echo: hello', not 'Echo: hello'", out)

    def test_the_files_stand_aligned_at_their_steps(self):
        status, out = self.compare("03", "--no-table", "--side-by-side")
        self.assertEqual(status, 0)
        for step in ("4. accept", "6. close"):
            sides = [line.split(" | ") for line in out.splitlines() if f"/* {step}" in line]
            self.assertTrue(any(f"# {step}" in right for _, right in sides), sides)

    def original(self, program, *args, key="02"):
        """(exit status, stdout) with a reader's own program in the place of ours."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "mine.py")
            path.write_text(program.replace("PORT", str(free_port())), "utf-8")
            return self.compare(key, "--original", os.fspath(path), *args)

    def test_a_readers_own_server(self):
        status, out = self.original(NOTES_SERVER)
        self.assertEqual(status, 0, out)
        self.assertEqual(out.count("client 2 | 收到你的消息my turn"), 2, out)
        self.assertLess(int(re.search(r"a proxy on 127\.0\.0\.1:(\d+)", out)[1]), 32000)  # no other test's to look at

    def test_a_readers_own_server_that_serves_one_client(self):
        status, out = self.original(NOTES_SERVER.replace("while True", "if True", 1))
        self.assertEqual(status, 0, out)
        self.assertEqual(out.count("   (mine.py ended after 1 client)\n"), 2, out)

    def test_a_readers_own_server_that_closes_first_can_start_again(self):
        status, out = self.original(NOTES_HTTP, key="04")
        self.assertEqual(status, 0, out)
        self.assertEqual(out.count("  client | Hello!"), 2, out)

    def test_a_readers_own_threads_print_in_any_order(self):
        status, out = self.original(THREADED, key="03")
        self.assertEqual(status, 0, out)
        self.assertIn("\n  server | ('127.0.0.1', 40001)\n", out)
        self.assertIn("\n  server | exitstill here", out)
        self.assertIn("the order between two threads is chance", out)

    def test_how_tcp_cuts_what_a_readers_own_server_sends_is_chance(self):
        compare = runpy.run_path(COMPARE[1])
        pairings = [({"client 1": lines}, {}, [0]) for lines in (["Welcom", "hello!"], ["Welcomhello!"], ["Welcomhello?"])]
        for foreign, other, count in (("server", 1, 0), ("server", 2, 1), (None, 1, 1)):
            with self.subTest(foreign=foreign, other=other):
                found = compare["differences"](pairings[0], pairings[other], False, compare["looseness"](foreign, False))
                self.assertEqual(len(found), count, found)

    def test_what_a_readers_own_threads_print_may_not_differ(self):
        status, out = self.original(THREADED.replace("data.decode()", 'data.decode() + "?" * again'), key="03")
        self.assertEqual(status, 1, out)
        self.assertIn("DIFFERS: server printed ", out)

    def test_what_a_readers_own_threads_send_may_not_differ(self):
        status, out = self.original(THREADED.replace('b"Echo: "', '(b"Echo: ", b"echo: ")[again]'), key="03")
        self.assertEqual(status, 1, out)
        self.assertIn('DIFFERS: connection 1: byte 0 from the server on is "echo: ', out)

    def test_many_clients_for_a_readers_own_server_that_serves_one(self):
        for program, shown in ((NOTES_GREETER, "   (mine.py ended after 1 client)\n"), (NOTES_SERVER, "client 2 | 收到你的消息exit\n")):
            with self.subTest(shown):
                status, out = self.original(program, key="03")
                self.assertEqual(status, 0, out)
                self.assertEqual(out.count(shown), 2, out)
                self.assertIn("\nmine.py serves one client at a time: ", out)

    def test_a_readers_own_server_that_speaks_first_is_sent_to_lesson_03(self):
        self.assertIn("scripts/compare 03 --original /", self.original(NOTES_GREETER)[1])
        self.assertNotIn("speaks first", self.original(NOTES_SERVER)[1])

    def test_a_readers_own_client_that_waits_for_a_greeting(self):
        client = NOTES_CLIENT.replace("client.sendall", "client.settimeout(1)\nclient.recv(1024)\nclient.sendall")
        status, out = self.original(client, key="03")
        self.assertEqual(status, 1, out)
        self.assertIn("not a byte passed: it waits for a greeting? --reply REPLY GREETING\n", out)
        status, out = self.original(client, "--reply", "{}!", "Welcom", key="03")
        self.assertEqual(status, 0, out)

    def test_wrong_usage_with_a_readers_own_program(self):
        for args in (["01", "--port", "99999"], ["01", "--port", "0"], ["--all"]):
            with self.subTest(args):
                run = subprocess.run([*COMPARE, *args, "--original", __file__], capture_output=True, text=True, timeout=60)
                self.assertEqual((run.returncode, run.stdout), (2, ""), run.stderr)
                self.assertTrue(run.stderr.splitlines()[-1].startswith("compare: "), run.stderr)

    def test_a_readers_own_client(self):
        status, out = self.original(NOTES_CLIENT, "--reply", "{}!")
        self.assertEqual(status, 0, out)
        self.assertEqual(out.count("client 1 | Hello, server!!"), 2, out)


if __name__ == "__main__":
    unittest.main()
