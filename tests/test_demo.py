"""make demo: every pair once, both sides shown, nothing left; and what docs/errors.md says of a failure."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

import kit

import errors
import lessons

DEMO = [sys.executable, str(kit.ROOT / "scripts" / "demo")]


class Demo(kit.Case):
    """Run as `make demo` runs it, into a pipe."""

    def test_every_pair_shows_both_sides(self):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(DEMO + ["--all"], capture_output=True, timeout=kit.PATIENCE * 3,
                                  env=dict(kit.os.environ, TMPDIR=folder), check=False)
            self.assertEqual(list(pathlib.Path(folder).iterdir()), [])
        text = done.stdout.decode()
        self.assertEqual((done.returncode, done.stderr), (0, b""), text)
        parts = text.split("\n== Lesson ")[1:]
        self.assertEqual(len(parts), len(lessons.LESSONS) + sum(map(len, lessons.MORE.values())))
        for part in parts:
            with self.subTest(part.split("\n")[0]):
                self.assertIn("  server | ", part)
                self.assertRegex(part, r"(?m)^ *client( \d)? \| ")
        self.assertIn("client 2 | Echo: my turn", text)
        self.assertIn("content intact", text)
        self.assertIn("你好服务端", text)
        for line in text.split("\n"):
            self.assertLessEqual(len(line), 111)

    def test_a_program_that_fails_is_named_with_the_reason(self):
        missing = "import sys, runpy, lessons\nlessons.LESSONS['01']['clients'][0]['args'] = ['127.0.0.1', '1']\n" \
                  "sys.argv = ['demo', '--all']\nrunpy.run_path(%r, run_name='__main__')" % DEMO[1]
        done = subprocess.run([sys.executable, "-c", missing], capture_output=True, timeout=kit.PATIENCE * 3,
                              env=dict(kit.os.environ, PYTHONPATH=str(kit.ROOT / "scripts")), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"Connection refused", done.stderr)
        self.assertIn(b"docs/errors.md: Connection refused: ", done.stderr)

    def test_one_lesson_and_wrong_usage(self):
        for words, status, shown in ((["3"], 0, b"Lesson 03 ran"), (["9"], 2, b"no lesson 9"), ([], 2, b"usage")):
            with self.subTest(words):
                done = subprocess.run(DEMO + words, capture_output=True, timeout=kit.PATIENCE * 2, check=False)
                self.assertEqual(done.returncode, status)
                self.assertIn(shown, done.stdout + done.stderr)
                self.assertNotIn(b"Lesson 04", done.stdout)


class Errors(unittest.TestCase):
    """The look-up of a program's words on the page."""

    def test_the_row_that_fits(self):
        for text, word in (("server: bind 127.0.0.1:80: Permission denied", "1024"),
                           ("client: connect 1.2.3.4:5: Permission denied", "SO_BROADCAST"),
                           ("client: connect h: Operation timed out", "ETIMEDOUT"),
                           ("client: an answer of 1500 bytes, cut off after 1024", "longer than the buffer"),
                           (b"x: Too many open files in system", "ENFILE")):
            with self.subTest(text):
                self.assertIn(word, errors.hint(text))

    def test_unknown_words_and_no_page(self):
        self.assertEqual(errors.hint("all is well"), "")
        self.assertEqual(errors.hint("Connection refused", pathlib.Path("/nowhere")), "")
