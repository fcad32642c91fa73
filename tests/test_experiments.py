"""The experiments: each shows what its page says, and each can fail."""
import collections
import importlib.machinery
import importlib.util
import os
import pathlib
import pty
import re
import shutil
import sys
import tempfile
import time
import unittest

from kit import PATIENCE, ROOT, Case, ready

SCRIPT = ROOT / "scripts" / "experiment"


def load():
    """scripts/experiment as a module."""
    loader = importlib.machinery.SourceFileLoader("experiment", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("experiment", loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


experiment = load()
EXPERIMENTS = experiment.find_all()


class EachExperiment(unittest.TestCase):
    """A case for each experiment and way, added below, so that a skip names the experiment."""

    def run_it(self, each, **environment):
        clean = {name: value for name, value in os.environ.items() if name != "COURSE_EXPECT_WRONG"}
        status, output = each.run(dict(clean, **environment))
        if status == 3:
            self.skipTest(experiment.line_of(output, "verdict"))
        return status, output

    def straight(self, each):
        status, output = self.run_it(each)
        self.assertEqual(status, 0, output)
        self.assertRegex(output, r"\Abelief:   \S.*\n(doing:    \S.*\n)+(happened: \S.*\n)+verdict:  \S.*\n\Z")
        self.assertNotIn("NOT AS DOCUMENTED", output)
        self.assertEqual([line for line in output.split("\n") if len(line) > 100], [])

    def inverted(self, each):
        status, output = self.run_it(each, COURSE_EXPECT_WRONG="1")
        self.assertEqual(status, 1, output)
        self.assertRegex(output, r"\nverdict:  NOT AS DOCUMENTED: \S.*\n\Z")


for _each in EXPERIMENTS:
    setattr(EachExperiment, f"test_{_each.name}", lambda self, each=_each: self.straight(each))
    setattr(EachExperiment, f"test_{_each.name}_can_fail", lambda self, each=_each: self.inverted(each))


class Sources(unittest.TestCase):
    def test_there_are_thirty_or_more_and_no_name_stands_twice(self):
        names = [each.name for each in EXPERIMENTS]
        self.assertGreaterEqual(len(names), 30)
        self.assertEqual([name for name in names if names.count(name) > 1], [])

    def test_each_can_be_read_in_one_sitting(self):
        for each in EXPERIMENTS:
            with self.subTest(each.name):
                lines = each.source.read_text(encoding="utf-8").splitlines()
                self.assertTrue(40 <= len(lines) <= 90, f"{len(lines)} lines")
                self.assertEqual([line for line in lines if len(line) > 100], [])

    def test_a_helper_is_the_same_text_everywhere(self):
        texts = collections.defaultdict(lambda: collections.defaultdict(list))
        for each in EXPERIMENTS:
            source = each.source.read_text(encoding="utf-8")
            helpers = re.search(r"^/\* -+ Helpers: the same text in every experiment that has them -+ \*/\n\n"
                                r"(.*?\n)\n/\* -+ The experiment -+ \*/\n", source, re.M | re.S)
            self.assertTrue(helpers, f"{each.source}: no banners around the helpers")
            for helper in re.findall(r"/\*.*?\n}\n", helpers.group(1), re.S):
                texts[re.search(r"^static .*?(\w+)\(", helper, re.M).group(1)][helper].append(each.name)
        self.assertEqual(sum(map(len, texts["verdict"].values())), len(EXPERIMENTS))
        for name, versions in texts.items():
            self.assertEqual(len(versions), 1, f"{name}() differs: {list(versions.values())}")


FAKE = """/*
 * {name}.c - a phrase.
 *
 * Of:       common
 * Decided:  POSIX
 * Predict:  what happens,
 *           at the end?
 *   a) this
 *   b) that
 * Answer:   {answer}
 * Why:      it is | so.
 */
#include <stdio.h>
#include <stdlib.h>
int main(void) {{
    puts("belief:   a | b");
    puts("verdict:  it is {name}");
    fflush(stdout);
    {end};
}}
"""


class TheScript(Case):
    """scripts/experiment beside experiments made for the test, whose outcome is known."""

    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        (self.root / "01_basic" / "experiments").mkdir(parents=True)
        (self.root / "scripts").mkdir()
        for script in (SCRIPT, SCRIPT.parent / "lessons.py"):
            shutil.copy(script, self.root / "scripts")
        self.add("good", "return 0")

    def add(self, name, end, answer="a"):
        path = self.root / "01_basic" / "experiments" / f"{name}.c"
        path.write_text(FAKE.format(name=name, end=end, answer=answer))

    def call(self, *arguments, **environment):
        """Runs the script; returns its exit status, stdout and stderr."""
        return self.run_program([sys.executable, str(self.root / "scripts" / "experiment"), *arguments],
                                env=dict(os.environ, **environment))

    def test_all_counts_an_inconclusive_one_and_passes(self):
        self.add("unsure", "return 3")
        status, out, err = self.call("--all")
        self.assertEqual((status, err), (0, ""))
        self.assertIn("2 experiments: 1 ok, 0 not as documented, 1 inconclusive\n", out)
        self.assertIn("it is unsure", out)

    def test_all_fails_with_one_that_is_not_as_documented(self):
        for name, end in (("bad", "return 1"), ("odd", "return 7"), ("dead", "abort()")):
            with self.subTest(name):
                self.add(name, end)
                status, out, _ = self.call("--all")
                self.assertEqual(status, 1)
                self.assertRegex(out, rf'(?m)^{name}: "a \| b"\n  NOT AS DOCUMENTED: ')
                self.assertIn("2 experiments: 1 ok, 1 not as documented, 0 inconclusive\n", out)
                (self.root / "01_basic" / "experiments" / f"{name}.c").unlink()

    def test_one_passes_its_status_on(self):
        for status in (0, 1, 3):
            self.add(f"it{status}", f"return {status}")
            self.assertEqual(self.call(f"it{status}")[0], status)

    def test_a_changed_experiment_is_built_anew(self):
        self.assertEqual(self.call("good")[0], 0)
        self.add("good", "return 1")
        os.utime(self.root / "01_basic" / "experiments" / "good.c", (time.time() + 9,) * 2)
        self.assertEqual(self.call("good")[0], 1)

    def test_without_a_terminal_it_asks_nothing(self):
        _, out, _ = self.call("good")
        self.assertEqual(out, "belief:   a | b\nverdict:  it is good\nwhy:      it is | so.\n")

    def test_no_line_is_wider_than_a_terminal(self):
        self.add("wide", 'puts("happened: ' + 30 * "words " + '"); return 0')
        lines = self.call("wide")[1].splitlines()
        self.assertLessEqual(max(map(len, lines)), 80)
        self.assertEqual(sum(line.count("words") for line in lines), 30)

    def test_an_unknown_name_is_wrong_usage_and_names_the_nearest(self):
        status, _, err = self.call("goood")
        self.assertEqual(status, 2)
        self.assertIn("did you mean good?", err)

    def test_a_header_that_is_not_as_the_others_is_named(self):
        self.add("headless", "return 0", answer="c")
        status, out, err = self.call("--list")
        self.assertEqual((status, out), (1, ""))
        self.assertIn("headless.c: not two to four choices with the answer among them", err)

    def test_without_a_compiler_it_says_what_to_install(self):
        status, _, err = self.call("good", CC="no-such-compiler")
        self.assertEqual(status, 1)
        self.assertRegex(err, r"\Aexperiment: no compiler no-such-compiler: install one .*\n\Z")

    def test_the_table_is_checked_against_a_fresh_run(self):
        page = self.root / "docs" / "beliefs.md"
        self.assertEqual(self.call("--check")[0], 1)  # no page yet
        self.assertEqual(self.call("--table")[0], 0)
        self.assertIn("| a \\| b | it is good | `make experiment-good` |", page.read_text())
        self.assertIn("(01_basic.md)", page.read_text())
        self.assertEqual(self.call("--check")[0], 0)
        self.add("new", "return 0")
        self.assertIn("make experiment-new", self.call("--check")[2])  # a row is missing
        self.assertEqual(self.call("--table")[0], 0)
        (self.root / "01_basic" / "experiments" / "new.c").unlink()
        self.assertIn("make experiment-new", self.call("--check")[2])  # a row too many
        self.add("bad", "return 1")
        self.assertEqual(self.call("--table")[0], 1)  # and the page stays as it was
        self.assertIn("make experiment-new", page.read_text())

    def on_a_terminal(self, typed):
        """Runs `good` on a terminal of its own and types that; returns its output and exit status."""
        terminal, its_end = pty.openpty()
        self.addCleanup(os.close, terminal)
        program = self.start([sys.executable, str(self.root / "scripts" / "experiment"), "good"],
                             stdin=its_end, stdout=its_end, stderr=its_end)
        os.close(its_end)
        os.write(terminal, typed)
        output, end = b"", time.monotonic() + PATIENCE
        while ready([terminal], max(0, end - time.monotonic())):
            try:
                piece = os.read(terminal, 4096)
            except OSError:  # EIO: Linux's word for "the other side has closed"
                piece = b""
            if not piece:
                break
            output += piece
        return output.decode().replace("\r\n", "\n"), program.wait()

    def test_on_a_terminal_it_asks_first_and_judges_the_prediction(self):
        for typed, words in ((b"a\n", "You were right: the answer is a) this."),
                             (b"b\n", "You said b: the answer is a) this."),
                             (b"x\nA\n", "You were right: the answer is a) this."),
                             (b"\n", None)):
            with self.subTest(typed):
                output, status = self.on_a_terminal(typed)
                self.assertEqual(status, 0, output)
                self.assertRegex(output, r"(?s)what happens, at the end\?.*b\) that.*prediction.*belief: .*why: ")
                self.assertEqual("the answer is" in output, words is not None)
                self.assertIn(words or "", output)


if __name__ == "__main__":
    unittest.main()
