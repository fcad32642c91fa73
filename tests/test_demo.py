"""make demo: every pair once, both sides shown, nothing left; and what docs/errors.md says of a failure."""
import concurrent.futures
import os
import pathlib
import pty
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest

import kit

import errors
import lessons
import stories

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
        for words, status, shown in ((["1"], 0, b"Lesson 01: one exchange"), (["9"], 2, b"no lesson 9"), ([], 2, b"usage")):
            with self.subTest(words):
                done = subprocess.run(DEMO + words, capture_output=True, timeout=kit.PATIENCE * 2, check=False)
                self.assertEqual(done.returncode, status)
                self.assertIn(shown, done.stdout + done.stderr)
                self.assertNotIn(b"Lesson 04", done.stdout)


class Stories(kit.Case):
    """The classroom demo of each lesson: as a transcript, and in tmux, driven by keys."""

    def left(self, folder):
        """The processes that work in the demo's folder, found by its name among their arguments."""
        found = subprocess.run(["ps", "-A", "-o", "args="], stdout=subprocess.PIPE, check=True).stdout.decode()
        return [line for line in found.split("\n") if folder in line]

    def test_stories_fit_an_80x24_screen(self):
        self.assertEqual(sorted(stories.STORIES), sorted(lessons.LESSONS))
        for key, story in stories.STORIES.items():
            self.assertLessEqual(sum(rows + 1 for _, rows in story["panes"]) + 4 + 1, 24, key)
            for text, actions in story["steps"]:
                self.assertLessEqual(len(textwrap.wrap(text, 78)), 3, text)
                for pane, _, _ in actions:
                    self.assertIn(pane, dict(story["panes"]))

    @unittest.skipIf(kit.SANITIZED, "the scripts run the plain programs")
    def test_each_story_as_a_transcript(self):
        def tell(key):
            with tempfile.TemporaryDirectory() as folder:
                done = subprocess.run(DEMO + [key], stdin=subprocess.DEVNULL, capture_output=True,
                                      timeout=kit.PATIENCE * 4, env=dict(kit.os.environ, TMPDIR=folder), check=False)
                return done, list(pathlib.Path(folder).iterdir()), self.left(folder)
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            for key, (done, files, processes) in zip(sorted(stories.STORIES), pool.map(tell, sorted(stories.STORIES))):
                with self.subTest(key):
                    self.assertEqual((done.returncode, done.stderr, files, processes), (0, b"", [], []))
                    text = done.stdout.decode()
                    self.assertIn(f"\n{len(stories.STORIES[key]['steps'])}. ", text)
                    self.assertIn("  server | listening on 127.0.0.1:", text)

    def test_without_tmux_it_says_what_to_install_and_tells_the_story(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "sh").symlink_to(shutil.which("sh"))
            outer, inner = pty.openpty()
            self.addCleanup(os.close, outer)
            demo = self.start([*DEMO, "01"], env=dict(os.environ, PATH=folder), stdin=inner, stdout=inner, stderr=inner)
            os.close(inner)
            shown = b""
            while kit.ready([outer], kit.PATIENCE):
                try:
                    shown += os.read(outer, 65536)
                except OSError:  # the end, as Linux tells it
                    break
            self.assertEqual(demo.wait(), 0, shown)
        self.assertIn(b"tmux is missing (sudo apt-get install tmux", shown)
        self.assertIn(b"received 3 bytes: get", shown)
        self.assertNotIn(b"   calls | ", shown)  # strace is missing, too

    @kit.needs("tmux")
    def test_keys_drive_it_and_every_way_out_leaves_nothing(self):
        for way in ("q", "C-c", "hangup"):
            with self.subTest(way), tempfile.TemporaryDirectory() as folder:
                name = f"test-{kit.os.getpid()}-{way}"  # the terminal around the demo is a tmux, too
                status = pathlib.Path(folder, "status")
                mine = pathlib.Path(folder, "tmp")
                mine.mkdir()

                def tmux(*words):
                    return subprocess.run(["tmux", "-L", name, "-f", "/dev/null", *words], check=False,
                                          env=dict(kit.os.environ, TMUX_TMPDIR=folder),
                                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()

                def shows(*texts):
                    kit.eventually(lambda: all(text in tmux("capture-pane", "-p") for text in texts),
                                   f"{texts} on {tmux('capture-pane', '-p')}")
                self.addCleanup(tmux, "kill-server")
                tmux("new-session", "-d", "-x", "80", "-y", "24", "env", f"TMPDIR={mine}",
                     "sh", "-c", shlex.join(DEMO + ["01"]) + f"; echo $? >{status}", ";", "set", "status", "off")
                shows("0/4  space")
                tmux("send-keys", "Space")
                shows("1/4  space", "listening on 127.0.0.1:", "One exchange.")
                tmux("send-keys", "Space")
                shows("2/4  space", "received 3 bytes: get", "sent 4 bytes: test")
                tmux("send-keys", "b")
                shows("1/4  space")
                self.assertNotIn("received 3", tmux("capture-pane", "-p"))
                if way == "hangup":
                    tmux("kill-server")
                else:
                    tmux("send-keys", way)
                    kit.eventually(status.exists, "the end of the demo")
                kit.eventually(lambda: not list(mine.iterdir()) and not self.left(folder), "nothing left")


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
