#!/usr/bin/env python3
"""What docs/errors.md says of an error: looked up by the words that a program printed.

A script that shows a program's failure calls teach(text) below it; one that misses a tool says
install(package ...), or no_strace(). `errors.py TEXT` prints it; exit status 1 when the page has no such
words.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import textwrap

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "errors.md"
MANAGERS = (("apt-get", "sudo apt-get install"), ("dnf", "sudo dnf install"), ("apk", "sudo apk add"),
            ("pacman", "sudo pacman -S"), ("zypper", "sudo zypper install"), ("brew", "brew install"),
            ("pkg", "sudo pkg install"), ("pkg_add", "doas pkg_add"), ("pkgin", "sudo pkgin install"))
PACKAGES = {("apt-get", "gnuplot"): "gnuplot-nox", "ab": "apache2-utils", ("dnf", "ab"): "httpd-tools", ("pacman", "ab"): "apache", "cc": "gcc"}


def rows(page=PAGE):
    """The rows of the page's tables: (patterns of the messages, words one of which must stand there too,
    meaning, what to type next)."""
    try:
        lines = page.read_text("utf-8").splitlines()
    except OSError:
        return  # the programs were copied out without the docs
    above = ("", "")
    for line in lines:
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if not line.startswith("| `") or len(cells) != 3:
            continue
        # `Permission denied` after connect or send: the first words in backticks are the message
        when = re.search(r"` (?:after|when starting) (.*)", cells[0])
        words = [word for word in re.findall(r"[\w./]+", when[1]) if word != "or"] if when else []
        messages = re.findall(r"`([^`]+)`", cells[0].split(" when starting ")[0])
        patterns = [re.sub(r"\d+", r"\\d+", re.escape(message)) for message in messages]
        meaning, cure = (cell.replace("`", "") for cell in cells[1:])
        above = (above[0] if meaning.startswith("the same") else meaning,
                 above[1] if cure == "as above" else cure)
        yield patterns, words, above[0], above[1]


def hint(text, page=PAGE):
    """The row whose message stands in text (str or bytes), as one line; "" when none does. The longest
    match wins: it says most."""
    if isinstance(text, (bytes, bytearray)):
        text = text.decode("utf-8", "replace")
    best = ("", "", "")
    for patterns, words, meaning, cure in rows(page):
        for pattern in patterns:
            match = re.search(pattern, text, re.I)
            if match and (not words or any(word in text for word in words)) and len(match[0]) > len(best[0]):
                best = (match[0], meaning, cure)
    return f"docs/errors.md: {best[0].strip()}: {best[1]}. What to type: {best[2]}" if best[0] else ""


def teach(text, to=None):
    """Print the hint of a text, if there is one, on stderr or another file: folded on a terminal."""
    to, line = to or sys.stderr, hint(text)
    if line:
        print(textwrap.fill(line, shutil.get_terminal_size((100, 24)).columns) if to.isatty() else line, file=to, flush=True)


def install(*packages):
    """The command that installs packages here: their names, or those of commands that are in PACKAGES."""
    manager, command = next((pair for pair in MANAGERS if shutil.which(pair[0])), ("", "install"))
    names = (PACKAGES.get((manager, package), PACKAGES.get(package, package)) for package in packages)
    return " ".join([command, *names]) + ("" if manager else " with your system's package manager")


def no_strace():
    """Why strace cannot show system calls here, with the cure; "" where it can."""
    if not sys.platform.startswith("linux"):
        return "strace is only for Linux; WSL2 or a container has it"
    if not shutil.which("strace"):
        return "strace is missing: " + install("strace")
    if subprocess.call(["strace", "-o", os.devnull, "true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        return "strace may not trace here: a container needs --cap-add=SYS_PTRACE"
    return ""


if __name__ == "__main__":
    line = hint(" ".join(sys.argv[1:]))
    print(line or "docs/errors.md has no such words")
    sys.exit(0 if line else 1)
