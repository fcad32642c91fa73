"""scripts/watch builds and tests a lesson whenever one of its files is saved."""
import shutil
import signal
import sys
import unittest

import kit

import lessons

# fails with a compiler's or a test's words while the server's source is broken or wrong; else works for
# so long that only a signal ends it where `slow` stands
MAKE = """#!/bin/sh
echo "made $2"
cd "$(dirname "$0")"
grep -q broken */server.c && { echo "cc: No such file or directory" >&2; exit 2; }
case $2 in test-*) grep -q wrong */server.c && { echo "client: connect 127.0.0.1:1: Connection refused"; exit 1; } ;; esac
grep -q slow */server.c && { : >"$TMPDIR/left"; TMUX_TMPDIR=$TMPDIR tmux -L left -f /dev/null new -d sleep 300; sleep 300; }
exit 0
"""


class Watch(kit.Tidy):
    """In a pipe and on a terminal, in a course of every lesson with a stand-in for make."""

    def course(self, key, source=""):
        """The command that watches a lesson of a course of one; its server's source holds some text."""
        self.root = self.folder / key
        shutil.copytree(kit.ROOT / "scripts", self.root / "scripts")
        (self.root / "docs").mkdir()
        shutil.copy(kit.ROOT / "docs" / "errors.md", self.root / "docs")
        self.source = self.root / lessons.LESSONS[key]["folder"] / "server.c"
        self.source.parent.mkdir()
        self.source.write_text(source)
        make = self.root / "make"
        make.write_text(MAKE)
        make.chmod(0o755)
        self.environment["MAKE"] = str(make)
        return [sys.executable, str(self.root / "scripts" / "watch"), key]

    def test_a_save_runs_the_tests_again_in_every_lesson(self):
        for key in lessons.LESSONS:
            with self.subTest(key):
                watch = self.start(self.course(key), env=self.environment, stdin=kit.subprocess.DEVNULL)
                watch.expect("all is well")
                self.assertEqual(watch.out.splitlines()[1:3], [b"made " + key.encode(), b"made test-" + key.encode()])
                self.source.write_text("broken")
                watch.expect(f"{self.source.relative_to(self.root)} was saved")
                watch.expect(f"make {key} failed")
                self.source.write_text("good again")
                watch.expect("all is well", count=2)
                self.assertEqual(watch.stop(signal.SIGINT), 0)
                self.assertEqual(bytes(watch.err), b"")
                self.assertNothingLeft()

    def test_on_a_terminal_q_ends_it_in_every_lesson(self):
        for key in lessons.LESSONS:
            with self.subTest(key):
                watch = self.on_terminal(self.course(key))
                folder = lessons.LESSONS[key]["folder"]
                watch.expect(f"watch: building and testing {folder} ...".encode())
                watch.expect(b"waits for a save, q ends")
                self.source.write_text("saved")
                watch.expect(b"all is well", count=2)
                watch.type(b"q")
                self.assertEqual(watch.wait(), 0)
                self.assertEqual([line for line in watch.text().splitlines() if len(line) > 80], [])
                self.assertNothingLeft()

    def test_what_fails_is_looked_up_in_errors_md(self):
        watch = self.start(self.course("01", "broken"), env=self.environment, stdin=kit.subprocess.DEVNULL)
        watch.expect("docs/errors.md: cc: No such file or directory: no C compiler")
        watch.expect("make 01 failed")
        self.source.write_text("wrong")
        watch.expect("docs/errors.md: Connection refused: ")
        watch.expect("make test-01 failed")
        self.assertEqual(watch.stop(), 0)

    @kit.needs("tmux")
    def test_every_way_out_of_a_running_test_leaves_nothing(self):
        for key, way in (("01", b"q"), ("02", b"\x03"), ("03", None)):
            with self.subTest(way):
                watch = self.on_terminal(self.course(key, "slow"))
                watch.expect(b"made")
                kit.eventually(lambda: self.left()[0].count(b"sleep\x00300\x00") == 2, "a test that runs, and its tmux")
                self.assertEqual(len(self.left()[1]), 1)
                if way:
                    watch.type(way)
                    self.assertEqual(watch.wait(), 0)
                else:
                    self.assertEqual(watch.hang_up(), 0)
                self.soonNothingLeft()


if __name__ == "__main__":
    unittest.main()
