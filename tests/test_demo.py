"""make demo: every pair once, both sides shown, nothing left; and what docs/errors.md says of a failure."""
import os
import pathlib
import re
import shlex
import shutil
import signal
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


class Demo(kit.Tidy):
    """Run as `make demo` runs it."""

    def test_every_pair_shows_both_sides(self):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(DEMO + ["--all"], capture_output=True, timeout=kit.PATIENCE * 3,
                                  env=dict(kit.os.environ, TMPDIR=folder), check=False)
            self.assertEqual(list(pathlib.Path(folder).iterdir()), [])
        text = done.stdout.decode()
        self.assertEqual((done.returncode, done.stderr), (0, b""), text)
        parts = text.split("\n== Lesson ")[1:]
        self.assertEqual([part[:2] for part in parts], ["01", "01", "02", "02", "03", "04", "05", "05", "06", "06", "06"])
        for part in parts:
            with self.subTest(part.split("\n")[0]):
                self.assertIn("  server | ", part)
                self.assertRegex(part, r"(?m)^ *client( \d)? \| ")
        self.assertIn("client 2 | Echo: my turn", text)
        self.assertIn("content intact", text)
        self.assertLess(parts[-2].index("client | seconds,"), parts[-2].rindex("server | 1."))  # about as they come
        self.assertIn("你好服务端", text)
        for line in text.split("\n"):
            self.assertLessEqual(len(line), 111)

    def test_on_a_terminal_no_line_wraps(self):
        terminal = self.on_terminal([*DEMO, "--all"])
        self.assertEqual(terminal.wait(), 0, terminal.shown)
        self.assertIn("\nEvery lesson ran, in ", terminal.text())
        self.assertEqual([line for line in terminal.text().splitlines() if len(line) > 80], [])
        self.assertNothingLeft()

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


class Screen:
    """The demo of a lesson in a tmux of 80x24, and the tmux that it starts itself."""

    def __init__(self, case, key, *options):
        self.case, self.key = case, key
        self.server = ["tmux", "-L", "around", "-f", os.devnull]
        case.addCleanup(self.tmux, "kill-server")
        self.status = case.folder / "status"
        self.tmux("new-session", "-d", "-x", "80", "-y", "24", "sh", "-c",
                  shlex.join([*DEMO, key, *options]) + f"; echo $? >{case.folder}/status", ";", "set", "status", "off")

    def tmux(self, *words, inner=False):
        """What a tmux command prints; inner: in the demo's own."""
        server = ["tmux", "-S", *map(str, (self.case.folder / "tmp").glob("demo-*/tmux-*/course-*"))] if inner else self.server
        return subprocess.run([*server, *words], env=dict(self.case.environment, TMUX_TMPDIR=str(self.case.folder)),
                              check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()

    def shows(self, *texts):
        """Wait until all texts stand on the screen."""
        kit.eventually(lambda: all(text in self.tmux("capture-pane", "-p") for text in texts),
                       f"{texts} on {self.tmux('capture-pane', '-p')}")

    def ended(self):
        """Wait for the demo's end; return its exit status, as a line."""
        return kit.eventually(lambda: self.status.exists() and self.status.read_text(), "the end of the demo")

    def press(self, key):
        self.tmux("send-keys", key)

    def wrapped(self):
        """The lines of the demo's panes that did not fit, as (pane, line)."""
        found = []
        for pane in self.tmux("list-panes", "-a", "-F", "#{pane_id} #{pane_title}", inner=True).splitlines():
            number, title = pane.split(" ", 1)
            joined = self.tmux("capture-pane", "-p", "-J", "-S", "-", "-t", number, inner=True)
            found += [(title, line) for line in joined.splitlines() if len(line.rstrip()) > 80]
        return found


class Stories(kit.Tidy):
    """The classroom demo of each lesson: as a transcript, and in tmux, driven by keys."""

    def test_stories_fit_an_80x24_screen(self):
        self.assertEqual(sorted(stories.STORIES), sorted(lessons.LESSONS))
        for key, story in stories.STORIES.items():
            self.assertLessEqual(sum(rows + 1 for _, rows in story["panes"]) + 4 + 1, 24, key)
            for text, actions in story["steps"]:
                self.assertLessEqual(len(textwrap.wrap(text, 78)), 3, text)
                for pane, _, wanted in actions or []:
                    self.assertIn(pane, dict(story["panes"]))
                    if "Vote" in text:  # before the answer is there
                        self.assertIn(wanted, ("listening on", "connected", stories._PROMPT, "", "$ "), text)

    @kit.needs("strace")
    def test_without_tmux_it_says_what_to_install_and_tells_the_story(self):
        self.environment["PATH"] = self.path_without("tmux")
        terminal = self.on_terminal([*DEMO, "01"])
        self.assertEqual(terminal.wait(), 0, terminal.shown)
        self.assertIn(f"demo: tmux is missing ({errors.install('tmux')}); here as a transcript:", terminal.text())
        self.assertIn("received 3 bytes: get", terminal.text())
        self.assertIn('   calls | recv(4, "test", 1024) = 4\n   calls | send(4, "get", 3) = 3\n', terminal.text())
        self.assertNothingLeft()

    def test_without_strace_it_says_what_to_install_and_shows_the_rest(self):
        self.environment["PATH"] = self.path_without("strace")
        status, out, err = self.run_program([*DEMO, "01", "--plain"], env=self.environment)
        self.assertEqual((status, err), (0, ""))
        self.assertIn(f"Strace is missing: {errors.install('strace')}; no system calls", out)
        self.assertIn("server | $ ./server 127.0.0.1 0", out)
        self.assertNotIn("   calls | ", out)

    @kit.needs("tmux")
    def test_without_strace_the_panes_say_so_too(self):
        self.environment["PATH"] = self.path_without("strace")
        screen = Screen(self, "01")
        screen.shows("0/4  space", f"strace is missing: {errors.install('strace')}")
        screen.press("Space")
        screen.shows("1/4  space", "$ ./server 127.0.0.1 0", "listening on 127.0.0.1:")
        screen.press("q")
        screen.ended()
        self.soonNothingLeft()

    @kit.needs("tmux")
    def test_with_speed_it_goes_on_by_itself(self):
        screen = Screen(self, "01", "--speed", "30")
        screen.shows("4/4", "refused")
        self.assertEqual(screen.ended(), "0\n")
        self.soonNothingLeft()

    @kit.needs("tmux")
    def test_a_terminal_that_is_too_small(self):
        terminal = self.on_terminal(["sh", "-c", "stty cols 79; exec " + shlex.join([*DEMO, "01"])])
        self.assertEqual(terminal.wait(), 1)
        self.assertIn("demo: this window has 79x24 characters, the demo needs 80x24: enlarge it, or add --plain\n",
                      terminal.text())

    @kit.needs("tmux")
    def test_a_signal_ends_it_as_q_does(self):
        screen = Screen(self, "01")
        screen.shows("0/4  space")
        for pid, command in self.marked().items():
            if command.endswith(b"demo\x0001\0") and b"-L" not in command and b"sh\0-c" not in command:
                os.kill(pid, signal.SIGTERM)
        self.assertEqual(screen.ended(), "0\n")
        self.soonNothingLeft()

    @kit.needs("tmux")
    def test_keys_drive_it_and_every_way_out_leaves_nothing(self):
        for way in ("q", "C-c", "hangup"):
            with self.subTest(way):
                screen = Screen(self, "01")
                screen.shows("0/4  space")
                screen.press("Space")
                screen.shows("1/4  space", "listening on 127.0.0.1:", "One exchange.", "\naccept(3) waits\n")
                screen.press("Space")
                screen.shows("2/4  space", "received 3 bytes: get", "sent 4 bytes: test", "\naccept(3) = 4\nrecv(4, \"test\"")
                screen.press("b")
                screen.shows("1/4  space")
                self.assertNotIn("received 3", screen.tmux("capture-pane", "-p"))
                screen.press("r")
                screen.shows("0/4  space", "Press space.")
                self.assertNotIn("listening", screen.tmux("capture-pane", "-p"))
                if way == "hangup":
                    screen.tmux("kill-server")
                else:
                    screen.press(way)
                    self.assertEqual(screen.ended(), "0\n")
                    screen.status.unlink()
                self.soonNothingLeft()


class Played(kit.Tidy):
    """The demo of one lesson from start to end."""

    def play(self, key):
        screen = Screen(self, key)
        steps = len(stories.STORIES[key]["steps"])
        for step in range(steps + 1):
            screen.shows(f"{step}/{steps}  " + ("space: next" if step < steps else "the end"))
            self.assertEqual(screen.wrapped(), [], f"step {step}")
            if (key, step) == ("05", 5):  # what it is about has not scrolled away
                screen.shows("to the client: 9 bytes: drop")
            self.assertNotIn("failed", screen.tmux("capture-pane", "-p"))
            screen.press("Space")
        screen.press("q")
        self.assertEqual(screen.ended(), "0\n")
        self.soonNothingLeft()

    def transcript(self, key, *options):
        """A lesson's transcript, as the list of what stands before the first step and of each step."""
        status, out, err = self.run_program([*DEMO, key, "--plain", *options], patience=6 * kit.PATIENCE, env=self.environment)
        self.assertEqual((status, err), (0, ""))
        self.assertNothingLeft()
        steps = [text for text, actions in stories.STORIES[key]["steps"] if actions is not None]
        self.assertEqual(re.findall(r"\n\n(\d+)\. ", out), [str(step) for step in range(1, len(steps) + 1)])
        self.assertIn("  server | listening on 127.0.0.1:", out)
        self.assertEqual([line for line in out.splitlines() if len(line) > 80], [])
        return [step.rpartition("\n\n")[0] for step in re.split(r"(?m)^\d+\. ", out + "\n\n")]

    def test_05_as_a_transcript(self):
        step = self.transcript("05")[5]
        self.assertIn("relay | to the client: 9 bytes: drop\n", step)
        self.assertEqual(len(re.findall(r"server \| .* sent 3 bytes: two\n", step)), 2, step)

    @kit.needs("strace")
    def test_06_as_a_transcript(self):
        for number, step in enumerate(self.transcript("06")):
            found = re.findall(r"(\w+) (\d+) bytes in \d+ ", step)
            count = {3: "16777216", 6: "9000000"}.get(number)
            self.assertEqual(found, [("received", count), ("sent", count)] if count else [], step)
            self.assertEqual("queue [" in step, number in (2, 3, 5, 6), step)
            self.assertLessEqual("EAGAIN (" in step, number in (5, 6), step)
            self.assertLessEqual(number == 5, "EAGAIN (" in step, step)

    @kit.needs("bash")
    @kit.needs("strace")
    def test_where_sh_is_bash_a_long_line_stays_whole(self):
        (self.folder / "sh").symlink_to(shutil.which("bash"))
        self.environment["PATH"] = f"{self.folder}:{self.environment['PATH']}"
        self.assertRegex(self.transcript("04")[1], r"server \| \$ .*\n? *\|? *\.\./01_basic/server\n")

    def test_the_python_versions(self):
        self.assertIn("client | $ python3 ./client.py 127.0.0.1 ", self.transcript("01", "--python")[2])


for _key in sorted(stories.STORIES):
    setattr(Played, f"test_{_key}_by_keys", kit.needs("tmux")(lambda self, key=_key: self.play(key)))
    if not hasattr(Played, f"test_{_key}_as_a_transcript"):
        setattr(Played, f"test_{_key}_as_a_transcript", lambda self, key=_key: self.transcript(key))


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

    def test_below_a_failed_test(self):
        with tempfile.TemporaryDirectory() as folder:  # the runner, with one case that fails
            for name in ("scripts/errors.py", "docs/errors.md", "tests/run.py"):
                pathlib.Path(folder, name).parent.mkdir(exist_ok=True)
                shutil.copy(kit.ROOT / name, pathlib.Path(folder, name))
            pathlib.Path(folder, "tests", "test_one.py").write_text(
                "import socket, unittest\nclass One(unittest.TestCase):\n    def test(self):\n"
                "        socket.create_connection(('127.0.0.1', 1))\n")
            done = subprocess.run([sys.executable, folder + "/tests/run.py"], stdout=subprocess.PIPE, timeout=kit.PATIENCE,
                                  check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"\ndocs/errors.md: Connection refused: ", done.stdout)

    def test_unknown_words_and_no_page(self):
        self.assertEqual(errors.hint("all is well"), "")
        self.assertEqual(errors.hint("Connection refused", pathlib.Path("/nowhere")), "")
