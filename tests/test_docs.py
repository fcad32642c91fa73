"""What the pages promise, and what scripts/check-docs catches."""
import ast
import pathlib
import re
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
METHODS = """bind listen accept connect connect_ex recv send sendall recvfrom sendto close getpeername getsockname
    setsockopt getsockopt settimeout gettimeout fileno setblocking makefile""".split()


def rows(page):
    """The cells of every row of a page's tables, the headers left out."""
    for line in (ROOT / "docs" / page).read_text(encoding="utf-8").split("\n"):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 4:
            yield cells


def function(name, text):
    """The body of a C function, without comments; None when the file has none of this name."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    match = re.search(rf"^[a-z][^\n;]*\b{name}\((?:[^;{{}}]|\n)*\) \{{.*?^\}}", text, re.M | re.S)
    return match and match[0]


class PythonToC(unittest.TestCase):
    """docs/python_to_c.md."""

    def test_every_method_of_the_notes_has_a_place_that_runs_it(self):
        named = [cells[0].strip("`") for cells in rows("python_to_c.md")]
        self.assertEqual(named[:20], METHODS)

    def test_each_place_holds_its_call(self):
        for python, call, _, place in rows("python_to_c.md"):
            with self.subTest(python):
                path, name = place.strip("`").split(":")
                body = function(name, (ROOT / path).read_text(encoding="utf-8"))
                self.assertIsNotNone(body, f"{place}: no such function")
                code = re.sub(r'"(?:[^"\\]|\\.)*"', '""', body)
                self.assertRegex(code, rf"\b{re.escape(call.strip('`'))}\b")

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


if __name__ == "__main__":
    sys.exit(unittest.main())
