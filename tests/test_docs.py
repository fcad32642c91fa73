"""What the pages promise, and what scripts/check-docs catches."""
import ast
import errno
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import kit

ROOT = kit.ROOT
METHODS = """bind listen accept connect connect_ex recv send sendall recvfrom sendto close getpeername getsockname
    setsockopt getsockopt settimeout gettimeout fileno setblocking makefile""".split()


def rows(page):
    """The cells of every row of a page's tables, headers too."""
    for line in (ROOT / "docs" / page).read_text(encoding="utf-8").split("\n"):
        if line.startswith("|") and not line.startswith("|--"):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def places():
    """The rows of docs/python_to_c.md: the Python name, the C call, file and function that run it."""
    for python, call, _, place in rows("python_to_c.md"):
        if python != "Python":
            yield python.strip("`"), call.strip("`"), *place.strip("`").split(":")


def function(name, text):
    """The body of a C function, without comments; None when the file has none of this name."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    match = re.search(rf"^[a-z][^\n;]*\b{name}\((?:[^;{{}}]|\n)*\) \{{.*?^\}}", text, re.M | re.S)
    return match and match[0]


class PythonToC(unittest.TestCase):
    """docs/python_to_c.md."""

    def test_every_method_of_the_notes_has_a_place_that_runs_it(self):
        self.assertEqual([python for python, *_ in places()][:20], METHODS)

    def test_each_place_holds_its_call(self):
        for python, call, path, name in places():
            with self.subTest(python):
                body = function(name, (ROOT / path).read_text(encoding="utf-8"))
                self.assertIsNotNone(body, f"{path}: no function {name}")
                code = re.sub(r'"(?:[^"\\]|\\.)*"', '""', body)
                self.assertRegex(code, rf"\b{re.escape(call)}\b")

    def test_every_name_that_the_python_programs_use_is_there(self):
        page = (ROOT / "docs" / "python_to_c.md").read_text(encoding="utf-8")
        methods = {"recv_into", "recvfrom_into", "shutdown", *METHODS}
        missing = set()
        for path in sorted(ROOT.glob("[0-9][0-9]_*/*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
            for node in ast.walk(tree):
                if isinstance(node, ast.Attribute):
                    name = ast.unparse(node)
                    first = name.split(".")[0].split("(")[0]
                    if first in modules and re.fullmatch(r"\w+(?:\.path)?\.\w+", name) and name != "os.path":
                        missing |= {name} if f"`{name}`" not in page else set()
                    elif node.attr in methods and f"`{node.attr}`" not in page:
                        missing.add(node.attr)
        self.assertEqual(missing, set())


class Lists(unittest.TestCase):
    """The pages that must leave nothing out."""

    def test_every_program_of_the_notes_is_there_in_their_order(self):
        named = [match[0] for cells in rows("originals.md") if (match := re.match(r"N\d\.\w+", cells[0]))]
        self.assertEqual(named, """N0.c N0.s N1.s N1.c N1.t N2.h N2.s N2.p N3.1s N3.1c N3.2s N3.2c N3.h N3.5s N3.5c N4.c
            N4.s N4.t N4.b""".split())

    def test_every_claim_of_the_notes_has_its_experiment(self):
        claims = [cells for cells in rows("originals.md") if re.search(r"\(N\d|every program", cells[0])]
        self.assertEqual(len(claims), 16)
        for claim, _, command in claims:
            self.assertRegex(command, r"`make experiment-\w+`", claim)

    def test_the_map_has_the_minutes_that_the_chapters_tell(self):
        lessons = [cells for cells in rows("README.md") if re.match(r"\[0\d ", cells[0])]
        self.assertEqual(len(lessons), 6)
        for link, minutes, _ in lessons:
            chapter = (ROOT / "docs" / re.search(r"\((\S+)\)", link)[1]).read_text(encoding="utf-8")
            self.assertEqual(re.search(r"(\d+)\s+minutes", chapter)[1], minutes, link)

    def test_every_error_has_a_meaning_and_a_command(self):
        errors = [cells for cells in rows("errors.md") if cells[0] != "message"]
        self.assertGreater(len(errors), 30)
        for cells in errors:
            self.assertEqual([len(cells), all(cells)], [3, True], cells)
        self.assertEqual(len(errors), len({cells[0] for cells in errors}), "a message twice")

    def test_the_words_that_the_system_has_for_an_error_are_found(self):
        page = " ".join(cells[0] for cells in rows("errors.md"))
        for number in (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.ECONNREFUSED, errno.ECONNRESET, errno.EPIPE,
                       errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE, errno.EACCES, errno.EPERM, errno.EHOSTUNREACH,
                       errno.ENETUNREACH, errno.EMSGSIZE, errno.EAGAIN, errno.EBADF, errno.ENOTSOCK, errno.ENOTCONN):
            self.assertIn(f"`{os.strerror(number)}`", page)


@kit.needs("codespell")  # without it check-docs has a fault to report
class CheckDocs(unittest.TestCase):
    """scripts/check-docs in a copy of the tree: a fresh page passes, and a planted fault is named."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for name in ("scripts", "01_basic", "02_echo_loop"):
            shutil.copytree(ROOT / name, self.root / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "Makefile", self.root)
        (self.root / "docs").mkdir()

    def check(self, page, *options):
        """Run check-docs on a page. Returns its exit status and what it printed."""
        plain = {key: value for key, value in os.environ.items() if key not in ("COURSE_BUILD", "SANITIZE")}
        run = subprocess.run([sys.executable, "scripts/check-docs", *options, str(page)], cwd=self.root, env=plain,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             universal_newlines=True, timeout=120)
        return run.returncode, run.stdout

    def page(self, text):
        """A page with its generated parts filled in, shown to pass."""
        path = self.root / "docs" / f"{self._testMethodName}.md"
        path.write_text("# A page\n\n" + text, encoding="utf-8")
        self.assertEqual(self.check(path, "--update"), (0, ""))
        self.assertEqual(self.check(path), (0, ""))
        return path

    def catches(self, page, old, new, fault):
        """A page in which `old` is replaced fails with that one fault."""
        text = page.read_text(encoding="utf-8")
        self.assertIn(old, text)
        page.write_text(text.replace(old, new, 1), encoding="utf-8")
        status, output = self.check(page)
        self.assertEqual(status, 1)
        self.assertIn(fault, output)
        self.assertEqual(len(re.findall(r"^\S*\.md:", output, re.M)), 1, output)

    def part(self, arguments):
        """A page that holds one generated part."""
        return self.page(f"<!-- {arguments} -->\n<!-- end -->\n")

    def test_a_stale_excerpt(self):
        self.catches(self.part("code 01_basic/server.c send_all"), "errno != EINTR", "errno != EAGAIN", "is stale")

    def test_an_excerpt_of_changed_code(self):
        page = self.part("code 02_echo_loop/server.c fill_in")
        source = self.root / "02_echo_loop" / "server.c"
        text = source.read_text(encoding="utf-8")
        source.write_text(text.replace("strlen(mark + 2)", "strlen(mark + 1)"), encoding="utf-8")
        status, output = self.check(page)
        self.assertEqual(status, 1)
        self.assertIn("code 02_echo_loop/server.c fill_in is stale", output)

    def test_a_missing_function(self):
        self.catches(self.part("code 01_basic/server.c send_all"), "server.c send_all", "server.c send_none",
                     "has no function send_none")

    def test_missing_lines(self):
        self.catches(self.part('code 01_basic/server.c "1. create, 2." "open_listener()"'), "1. create, 2.", "9. create",
                     "has no lines from '9. create'")

    def test_a_stale_diff(self):
        self.catches(self.part("diff 02"), "accept_failed", "accept_filed", "diff 02 is stale")

    def test_a_stale_transcript(self):
        page = self.page("<!-- session 01_basic\n1$ ./server\n2$ ./client\n1? test\n-->\n<!-- end -->\n")
        self.catches(page, "received 3 bytes: get", "received 3 bytes: got", "session 01_basic is stale")

    def test_a_transcript_of_a_program_that_does_not_run(self):
        page = self.page("<!-- session 01_basic\n1$ ./client 127.0.0.1 1\n-->\n<!-- end -->\n")
        self.catches(page, "1$ ./client", "1$ ./clinet", "could not be started")

    @kit.needs("strace")
    def test_a_stale_ladder(self):
        self.catches(self.part("ladder 01"), "listen(3, 128)", "listen(3, 5)", "ladder 01 is stale")

    def test_a_stale_experiment(self):
        self.catches(self.part("experiment not_a_string"), "verdict:  ", "verdict:  not ", "not_a_string is stale")

    def test_an_update_leaves_what_is_not_stale(self):
        page = self.part("experiment recv_returns_early")
        text = re.sub(r"after \d+ ms", "after 12345 ms", page.read_text(encoding="utf-8"))  # a run's own number
        page.write_text(text, encoding="utf-8")
        self.assertEqual(self.check(page, "--update"), (0, ""))
        self.assertEqual(page.read_text(encoding="utf-8"), text)

    def test_a_dead_link(self):
        self.catches(self.page("[all](../Makefile)\n"), "../Makefile", "../Makefiles", "dead link ../Makefiles")

    def test_a_dead_anchor(self):
        self.catches(self.page("[here](#a-page)\n"), "#a-page", "#no-page", "no anchor #no-page")

    def test_a_missing_make_target(self):
        self.catches(self.page("Type `make help`.\n"), "make help", "make hell", "no target: make hell")

    def test_a_missing_make_target_in_a_block(self):
        self.catches(self.page("```\n$ make help\n```\n"), "make help", "make hell", "no target: make hell")

    def test_a_missing_experiment(self):
        self.catches(self.page("`make experiment-backlog`\n"), "backlog", "frontlog", "experiment-frontlog")

    def test_a_missing_file(self):
        self.catches(self.page("See `01_basic/server.c`.\n"), "server.c", "severe.c", "no file 01_basic/severe.c")

    def test_a_misspelt_word(self):
        self.catches(self.page("The server has received it.\n"), "received", "rec" "ieved", "rec" "ieved ==> received")

    def test_a_missing_end(self):
        page = self.part("code 01_basic/server.c send_all")
        self.catches(page, "<!-- end -->\n", "", "has no <!-- end -->")
        text = page.read_text(encoding="utf-8") + "\n<!-- code 01_basic/server.c report -->\n<!-- end -->\n"
        page.write_text(text, encoding="utf-8")
        self.assertEqual(self.check(page, "--update")[0], 1)
        self.assertEqual(page.read_text(encoding="utf-8"), text)


if __name__ == "__main__":
    sys.exit(unittest.main())
