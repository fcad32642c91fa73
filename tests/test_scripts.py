"""What the scripts and the Makefile have in common: a wrong lesson, a missing tool, Ctrl-C."""
import os
import pathlib
import shutil
import subprocess
import sys
import time

import kit

import ladder

SCRIPTS = kit.ROOT / "scripts"
SLOW = "import pathlib, time, unittest\n" + "".join(f"""
class Slow{number}(unittest.TestCase):
    def test(self):
        pathlib.Path({{began!r}}).touch()
        time.sleep({number})
""" for number in (50, 60))


class Scripts(kit.Tidy):
    """The same in all of them."""

    def make(self, *words):
        """(exit status, stderr) of make in the course's folder."""
        done = subprocess.run(["make", "-s", *words], cwd=kit.ROOT, capture_output=True, text=True, timeout=kit.PATIENCE * 3,
                              env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")})
        return done.returncode, done.stderr

    def test_a_lesson_that_is_not_there(self):
        for words in (["demo", "07"], ["compare", "07"], ["trace", "07"], ["watch", "07"], ["check-lessons", "--diff", "07"]):
            with self.subTest(words):
                self.assertEqual(self.run_program([sys.executable, str(SCRIPTS / words[0]), *words[1:]]),
                                 (2, "", "no lesson 07: 01 to 06\n"))
        self.assertIn("no lesson 07: 01 to 06\n", self.make("test-07")[1])
        self.assertIn("No rule to make target 'demo-'", self.make("demo-")[1].replace("`", "'"))

    def test_a_port_that_is_none(self):
        for words in (["--listen", "80000"], ["localhost", "99999"], ["--listen", "x"]):
            with self.subTest(words):
                status, out, err = self.run_program([sys.executable, str(SCRIPTS / "lossy_relay.py"), *words])
                self.assertEqual((status, out), (2, ""))
                self.assertIn(f"{words[1]}: a port is a number from 0 to 65535\n", err)

    def test_make_says_what_is_missing(self):
        for words, said in ((["CC=nocc", "01"], "no C compiler nocc here: see make doctor\n"),
                            (["PYTHON=nopy", "doctor"], "no nopy here: see docs/install.md, or make PYTHON=...\n")):
            with self.subTest(words):
                status, err = self.make(*words)
                self.assertEqual((status, err.splitlines(True)[0]), (2, said))

    def test_make_demo_begins_with_the_demo(self):
        folder = self.folder / "course"
        shutil.copytree(kit.ROOT / "01_basic", folder / "01_basic", ignore=shutil.ignore_patterns("server", "client"))
        shutil.copy(kit.ROOT / "Makefile", folder)
        (folder / "scripts").mkdir()
        (folder / "scripts" / "demo").write_text("print('the demo')")
        done = subprocess.run(["make", "demo"], cwd=folder, capture_output=True, text=True, timeout=kit.PATIENCE * 3,
                              env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")})
        self.assertEqual((done.returncode, done.stdout), (0, "the demo\n"), done.stderr)
        self.assertTrue((folder / "01_basic" / "server").exists())

    def test_ctrl_c_ends_them_without_a_word(self):
        runner = self.folder / "tests" / "run.py"
        runner.parent.mkdir()
        shutil.copy(kit.ROOT / "tests" / "run.py", runner)
        shutil.copytree(SCRIPTS, self.folder / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        began = self.folder / "began"
        (runner.parent / "test_slow.py").write_text(SLOW.format(began=str(began)))
        cases = {"tests": (["env", "COURSE_JOBS=1", sys.executable, str(runner)], b""),  # Slow60 comes second
                 "demo": ([sys.executable, str(SCRIPTS / "demo"), "--all"], b"== Lesson 03"),
                 "told": ([sys.executable, str(SCRIPTS / "demo"), "01", "--plain", "--speed", "0.1"], b"1. One"),
                 "plot": ([sys.executable, str(SCRIPTS / "plot"), str(self.folder)], b"plot: a run of 3 s")}
        if not shutil.which("gnuplot"):
            del cases["plot"]
        for name, (argv, shown) in cases.items():
            with self.subTest(name):
                terminal = self.on_terminal(argv)
                terminal.expect(shown) if shown else kit.eventually(began.exists, "a case that runs")
                start = time.monotonic()
                terminal.type(b"\x03")
                self.assertEqual(terminal.wait(), 130, terminal.shown)
                self.assertLess(time.monotonic() - start, 30)  # Slow60 has not begun, Slow50 has not ended
                self.assertNotIn("Traceback", terminal.text())
                self.soonNothingLeft()

    def test_a_value_and_its_unit_stay_together(self):
        words = ["setsockopt(3, SO_RCVTIMEO, 5 s)", "= 0"]
        for room in range(22, 31):
            lines = ladder.wrapped(words, room)
            self.assertTrue(any("5 s)" in line for line in lines), lines)
            self.assertLessEqual(max(map(len, lines)), room)
