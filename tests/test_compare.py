"""scripts/compare: C and Python say the same in every lesson, and one changed byte is found."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import kit

import lessons

NOTES_SERVER = """
import socket
server = socket.socket()
server.bind(("127.0.0.1", PORT))
server.listen(2)
while True:
    client, address = server.accept()
    while True:
        data = client.recv(1024)
        if not data:
            break
        client.send("收到你的消息".encode() + data)
    client.close()
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


def free_port():
    """A port that nobody has at this moment."""
    with kit.socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@unittest.skipIf(kit.SANITIZED, "compares the plain programs")
class Compare(kit.Case):
    """The tool on every lesson."""

    def compare(self, *args, root=kit.ROOT):
        """(exit status, stdout) of a run; nothing may be said on stderr."""
        run = subprocess.run([sys.executable, str(root / "scripts" / "compare"), *args], capture_output=True,
                             text=True, timeout=120)
        self.assertEqual(run.stderr, "")
        return run.returncode, run.stdout

    def test_all_pairings_of_every_lesson_say_the_same(self):
        for key in lessons.LESSONS:
            with self.subTest(lesson=key):
                status, out = self.compare(key, "--no-table")
                self.assertEqual(status, 0, out)
                self.assertEqual(out.count("\n-- "), 4)
                self.assertIn("wire 1 ->", out)
                self.assertIn("said the same, byte for byte", out)

    def test_the_table_measures_both_languages(self):
        status, out = self.compare("02")
        rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.startswith(("server.", "client."))}
        self.assertEqual((status, set(rows)), (0, {"server.c", "client.c", "server.py", "client.py"}), out)
        self.assertLess(float(rows["server.c"][3]), float(rows["server.py"][3]))

    def test_a_container_that_forbids_strace(self):
        with tempfile.TemporaryDirectory() as folder:
            strace = pathlib.Path(folder, "strace")
            strace.write_text("#!/bin/sh\nexit 1\n")
            strace.chmod(0o755)
            run = subprocess.run([sys.executable, str(kit.ROOT / "scripts" / "compare"), "02"], capture_output=True,
                                 text=True, timeout=120, env=dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}"))
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertRegex(run.stdout, r"(?m)^server\.c +\d+ +- +- ")

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

    def original(self, program, *args):
        """(exit status, stdout) with a reader's own program in the place of ours."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "mine.py")
            path.write_text(program.replace("PORT", str(free_port())), "utf-8")
            return self.compare("02", "--original", os.fspath(path), *args)

    def test_a_readers_own_server(self):
        status, out = self.original(NOTES_SERVER)
        self.assertEqual(status, 0, out)
        self.assertEqual(out.count("client 2 | 收到你的消息my turn"), 2, out)

    def test_a_readers_own_client(self):
        status, out = self.original(NOTES_CLIENT, "--reply", "{}!")
        self.assertEqual(status, 0, out)
        self.assertEqual(out.count("client 1 | Hello, server!!"), 2, out)


if __name__ == "__main__":
    unittest.main()
