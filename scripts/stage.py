"""The classroom demo of a lesson: its story from stories.py, played in tmux, or told as a transcript.

scripts/demo calls play() or tell(). In tmux the narrator's pane runs this file itself:
    stage.py narrate KEY FOLDER SPEED LANGUAGE    tells the story, and listens to the keys
    stage.py calls FILE                  shows what strace writes, a call a line
    stage.py fold COMMAND ...            runs a pane's shell; breaks long lines at words, so that nothing wraps
The tmux server is the demo's own (tmux -L course-PID -f /dev/null) and ends with it.
"""
import codecs
import fcntl
import os
import pathlib
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import textwrap
import time
import tty

import errors
import lessons
from ladder import width
from running import PATIENCE, Trouble
from stories import STORIES

COLUMNS, ROWS = 80, 24  # what a projector shows so that the last row can read it
LABEL = 11  # of them for the pane's name before each line of a transcript
MOST = 12  # lines that a pane adds to a transcript in a step
KEYS, LAST = "space: next   b: back   r: again   q: quit", "the end   b: back   r: again   q: quit"
ADDRESS = re.compile(r"\{sa_family=AF_INET, sin_port=htons\((\d+)\), sin_addr=inet_addr\(\"([\d.]+)\"\)\}")
STRACE = "strace -f -e %network -s 10 -Ao $CALLS"  # as it is typed before a program
STRACE_POLL = STRACE.replace("%network", "%network,/poll")
BORING = ("getsockopt", "setsockopt", "getsockname", "getpeername")


class Quit(Exception):
    """The story ends here: q, Ctrl-C, a signal or a closed terminal."""


def broken(text, columns, column=0):
    """Where a text that begins at a column must break to stay within so many columns: behind a newline
    shown as \\n, at a word, or else where it is full. None: it fits."""
    if column + width(text) <= columns:
        return None
    fits = max(i for i in range(len(text)) if column + width(text[:i]) <= columns)
    cut = re.match(r".*\\n", text[:fits]) or re.match(r".*\S ", text[:fits])
    return cut.end() if cut else fits


def whole(text):
    """(parts, rest) of a terminal's output: escape sequences, control characters, words between them; the rest
    is the beginning of an escape sequence."""
    text, rest = re.fullmatch(r"(.*?)((?:\x1b\[?[?\d;]*)?)", text, re.S).groups()
    return re.findall(r"\x1b\[[?\d;]*[A-Za-z]|[\r\n\b\x1b]|[^\x1b\r\n\b]+", text), rest


def shell(key, name, folder):
    """(argv, environment) of what runs in a pane."""
    record = str(pathlib.Path(folder, "calls"))
    if name == "calls":
        return [sys.executable, os.path.abspath(__file__), "calls", record], dict(os.environ)
    return ["sh", "-i"], dict(os.environ, PS1="$ ", HISTFILE=os.devnull, ENV=str(pathlib.Path(folder, "rc")), CALLS=record)


def panes(key, folder):
    """The story's panes; without `calls` where folder says that strace is missing."""
    missing = pathlib.Path(folder, "no-strace").exists()
    return [pane for pane in STORIES[key]["panes"] if not (missing and pane[0] == "calls")]


class TmuxPane:
    """A pane of the demo's own tmux, above the narrator's."""

    def __init__(self, key, name, rows, folder):
        self.argv, self.environment = shell(key, name, folder)
        if name != "calls":
            self.argv = [sys.executable, os.path.abspath(__file__), "fold", *self.argv]
        self.folder = str(lessons.ROOT / lessons.LESSONS[key]["folder"])
        self.pane = tmux("split-window", "-d", "-b", "-v", "-t", os.environ["TMUX_PANE"], "-l", str(rows),
                         "-c", self.folder, "-P", "-F", "#{pane_id}", self.command()).strip()
        tmux("select-pane", "-t", self.pane, "-T", name)

    def command(self):
        """The command line that env gives the pane's environment to."""
        changed = [f"{name}={value}" for name, value in self.environment.items() if os.environ.get(name) != value]
        return shlex.join(["env", *changed, *self.argv])

    def type(self, keys):
        """Type keys: text and Enter, ^C or ^D."""
        if keys in ("^C", "^D"):
            tmux("send-keys", "-t", self.pane, "C-" + keys[1].lower())
        else:
            tmux("send-keys", "-t", self.pane, "-l", "--", keys)
            tmux("send-keys", "-t", self.pane, "Enter")

    def text(self):
        """All that it has shown."""
        return tmux("capture-pane", "-p", "-J", "-S", "-", "-t", self.pane)

    def close(self):
        """End what runs in it."""
        tmux("kill-pane", "-t", self.pane)


class PlainPane:
    """The same without tmux: a shell in a pseudo-terminal of its own, shown as labelled lines."""

    def __init__(self, key, name, rows, folder):
        self.name, self.lines, self.row, self.shown, self.rest = name, [""], 0, [], ""
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        argv, environment = shell(key, name, folder)
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(lessons.ROOT / lessons.LESSONS[key]["folder"])
            os.execvpe(argv[0], argv, dict(environment, TERM="dumb"))
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("4H", ROWS, COLUMNS - LABEL, 0, 0))
        os.set_blocking(self.terminal, False)

    def type(self, keys):
        """Type keys: text and Enter, ^C or ^D."""
        os.write(self.terminal, {"^C": b"\x03", "^D": b"\x04"}.get(keys, keys.encode() + b"\n"))

    def text(self):
        """All that stands on its lines by now."""
        data = ""
        try:
            while True:
                data += self.decoder.decode(os.read(self.terminal, 65536))
        except OSError:  # nothing new
            pass
        parts, self.rest = whole(self.rest + data)
        for part in parts:
            up = re.match(r"\x1b\[(\d+)A", part)
            if up:
                self.row = max(self.row - int(up[1]), 0)
            elif part.endswith("K") and part[0] == "\x1b":
                pass
            elif part == "\r":
                self.fresh = True
            elif part == "\n":
                self.row += 1
                if self.row == len(self.lines):
                    self.lines.append("")
                self.fresh = True
            elif part[0] != "\x1b":
                line = part if self.__dict__.pop("fresh", False) else self.lines[self.row] + part
                self.lines[self.row] = line
                if line.endswith("$ ") and line != "$ ":  # the shell's prompt, behind a program's or ^C
                    self.lines[self.row] = line[:-2]
                    self.row += 1
                    self.lines[self.row:] = ["$ "]
        return "\n".join(self.lines)

    def show(self):
        """Print the lines that are new or have changed since the last time."""
        self.text()
        lines = self.lines[:len(self.lines) - (self.lines[-1] in ("", "$ "))]
        new = [line for row, line in enumerate(lines) if self.shown[row:row + 1] != [line]]
        self.shown = lines
        if len(new) > MOST:
            new[MOST // 2:-MOST // 2] = [f"... {len(new) - MOST} lines more ..."]
        for line in new:
            label, indent = f"{self.name:>8} | ", ""
            while line is not None:
                cut = broken(line, COLUMNS - LABEL, len(indent))
                print(label + indent + (line[:cut].rstrip() if cut else line), flush=True)
                label, indent, line = " " * (LABEL - 2) + "| ", "  ", line[cut:] if cut else None

    def close(self):
        """End what runs in it: the terminal hangs up."""
        os.close(self.terminal)
        end = time.monotonic() + 2
        while os.waitpid(self.pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.01)


class Stage:
    """The panes of a story, and how far it has come."""

    def __init__(self, key, kind, folder, language):
        self.key, self.kind, self.folder, self.language = key, kind, folder, language
        self.panes, self.step = {}, 0
        self.steps = STORIES[key]["steps"]

    def open(self):
        """All panes anew, before the first step."""
        self.close()
        pathlib.Path(self.folder, "calls").write_text("")
        # bash's line editing would scroll a long line sideways; not every shell has any
        pathlib.Path(self.folder, "rc").write_text("(set +o emacs) 2>&- && set +o emacs\n")
        for name, rows in panes(self.key, self.folder):
            self.panes[name] = self.kind(self.key, name, rows, self.folder)
        for name, pane in self.panes.items():
            if name != "calls":
                self.wait(pane, "$ ")
        self.step, self.typed = 0, {}

    def close(self):
        """End the panes."""
        for pane in self.panes.values():
            pane.close()
        self.panes = {}

    def filled(self, text):
        """A text or keys of the story: with the ports that server and relay listen on, and in this language."""
        for name, pane in self.panes.items():
            found = re.findall(r"listening on \S*:(\d+)", pane.text()) if "{" + name + "}" in text else []
            text = text.replace("{" + name + "}", found[-1] if found else "PORT")
        text = text.replace("{strace} ", STRACE + " " if "calls" in self.panes else "")
        text = text.replace("{strace poll} ", STRACE_POLL + " " if "calls" in self.panes else "")
        if self.language == "Python":
            text = re.sub(r"(?<!\S)(\.\S*/(?:server|client))(?= )", r"python3 \1.py", text)
        return text

    def wait(self, pane, text, start=0, count=1, listen=lambda: None):
        """Wait until text stands count times in the pane, behind its first characters up to start."""
        end = time.monotonic() + PATIENCE
        while pane.text()[start:].count(text) < count:
            listen()
            if time.monotonic() > end:
                raise Trouble(f"{text!r} did not come within {PATIENCE:g} s:\n{pane.text()[-600:]}")
            time.sleep(0.03)

    def perform(self, say, listen=lambda: None):
        """The next step: say(text), then do it."""
        text, actions = self.steps[self.step]
        self.step += 1
        say(self.filled(text))
        for name, keys, wanted in actions or []:
            if name not in self.panes:
                continue
            pane = self.panes[name]
            if keys:
                keys = self.filled(keys)
                self.typed[name] = len(pane.text().rstrip()), keys
                pane.type(keys)
            start, typed = self.typed.get(name, (0, ""))
            self.wait(pane, wanted, start, 1 + typed.count(wanted or typed), listen)


def tmux(*words):
    """Run a tmux command in the demo's server; return what it prints."""
    done = subprocess.run(["tmux", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise Trouble(f"tmux {words[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode("utf-8", "replace")


def pause(text, speed):
    """Seconds to read a text at a speed: 1 for 15 characters a second, 2 for twice as fast."""
    return (1 + len(text) / 15) / speed if speed else 0


def narrate(key, folder, speed, language):
    """The narrator: in the bottom pane of tmux, until q or the end of --speed."""
    title = f"Lesson {key}: {lessons.LESSONS[key]['title']}"
    stage = Stage(key, TmuxPane, folder, language)
    tmux("set", "-g", "status", "off")
    tmux("set", "-g", "pane-border-status", "top")
    tmux("set", "-g", "pane-border-format", " #{pane_title} ")
    tmux("select-pane", "-T", title)
    before = termios.tcgetattr(0)
    tty.setcbreak(0)
    text = [""]

    def listen(seconds=0.0):
        """The key pressed within so many seconds, None without; q and an end of file raise Quit."""
        if not select.select([0], [], [], seconds)[0]:
            return None
        typed = os.read(0, 1)
        if typed in (b"q", b"\x03", b""):
            raise Quit
        return typed.decode("latin-1")

    def say(what, ready=False):
        """Show a text, and the keys."""
        text[0] = what
        width = os.get_terminal_size(0).columns
        lines = textwrap.wrap(what, width - 2)[:3]
        status = f"{stage.step}/{len(stage.steps)}  " + ("..." if not ready else LAST if stage.step == len(stage.steps) else KEYS)
        sys.stdout.write("\033[?25l\033[2J\033[H" + "\n".join((lines + [""] * 3)[:3])
                         + "\n\033[7m" + status.ljust(width - 1) + "\033[0m")
        sys.stdout.flush()

    def busy():
        if select.select([0], [], [], 0)[0]:
            pressed.append(listen())

    pressed = []
    try:
        def go_to(step):
            """Play from the beginning up to a step."""
            stage.open()
            missing = pathlib.Path(folder, "no-strace")
            say(title + ". " + (missing.read_text() if missing.exists() else "Press space."))
            while stage.step < step:
                stage.perform(say, busy)
        go_to(0)
        while True:
            say(text[0], ready=True)
            last = stage.step == len(stage.steps)
            if pressed:
                typed = pressed.pop(0)
            elif speed:
                typed = listen(pause(text[0], speed)) or ("q" if last else " ")
            else:
                typed = listen(60)
            if typed == "q":
                return 0
            try:
                if typed == "b":
                    go_to(max(stage.step - 1, 0))
                elif typed == "r":
                    go_to(0)
                elif typed == " " and not last:
                    stage.perform(say, busy)
            except Trouble as trouble:
                say(errors.hint(str(trouble)) or str(trouble).replace("\n", " ")[:200])
                text[0] = "This step failed: " + text[0]
    finally:
        termios.tcsetattr(0, termios.TCSANOW, before)


def calls(path):
    """Follow what strace writes: a call a line, without what only asks, cut to the pane's width. The call in
    which the program waits stands last, until it returns."""
    names, rest, waiting, datagrams = {}, "", "", False
    sys.stdout.write("\033[?7l")  # no line wraps
    with open(path, encoding="utf-8", errors="replace") as record:
        while True:
            more = record.read()
            rest += more
            if more and waiting:
                waiting = ""
                print("\r\033[K", end="", flush=True)
            while "\n" in rest:
                line, rest = rest.split("\n", 1)
                pid, _, call = line.partition(" ")
                call = ADDRESS.sub(r"\2:\1", re.sub(r"\s+= ", " = ", call.strip()))
                name = re.match(r"(?:<\.\.\. )?(\w+)", call)
                # a pool's accepts that only wait would hide the rest: they show when they return
                # a poll for input is that of lesson 06's watching thread
                if not name or name[1] in BORING or "poll" in name[1] and "POLLOUT" not in call \
                        or name[1] == "accept" and call.endswith("<unfinished ...>") or call.endswith("= ?"):
                    continue
                if name[1] == "socket" and pid not in names:
                    names = {}  # the next program
                names.setdefault(pid, len(names) + 1)  # as in the ladders of trace
                call = call.replace("<unfinished ...>", "waits").replace("<... ", "...", 1).replace(" resumed>", "(", 1)
                if name[1] == "socket":
                    datagrams = "SOCK_DGRAM" in call
                if not datagrams:  # to the kernel they are one: here as the program has them
                    call = re.sub(r"(, 0)?, NULL, (NULL|0)\)?", ")", call.replace("recvfrom", "recv").replace("sendto", "send"))
                call = re.sub(r'"(?:\\.|[^"\\])*\\[0-7](?:\\.|[^"\\])*"(\.\.\.)?', "...", call)  # not text
                call = re.sub(r"(?<!\)),?\s+waits$", ") waits", call.replace(", [128 => 16]", ""))
                call = re.sub(r"(\(\d*).*\? ERESTART.*", r"\1) = interrupted", call)
                who = f"thread {names[pid]}: " if len(names) > 1 else ""
                print((who + call)[:os.get_terminal_size(1).columns - 1], flush=True)
            entered = re.match(r"(\d+) +(\w+)\((\d+)", rest)  # the number is padded
            if not more and entered and not waiting:
                name = entered[2] if datagrams else entered[2].replace("recvfrom", "recv").replace("sendto", "send")
                number = names.get(entered[1], len(names) + 1)
                who = f"thread {number}: " if max(number, len(names)) > 1 else ""
                waiting = f"{who}{name}({entered[3]}) waits"
                print(waiting, end="", flush=True)
            if not more:
                time.sleep(0.05)


def fold(argv):
    """Run a command in a terminal within this one. A line of output that is too long goes on in the next
    one, indented: after a newline that is shown as \\n, or at a word. Returns the exit status."""
    decoder, rest, column = codecs.getincrementaldecoder("utf-8")("replace"), "", 0

    def read(terminal):
        nonlocal rest, column
        size = fcntl.ioctl(1, termios.TIOCGWINSZ, bytes(8))
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)  # before the shell's first prompt, and later when it changes
        columns = struct.unpack("4H", size)[1]
        data = os.read(terminal, 65536)
        if not data:
            return data
        shown = []
        parts, rest = whole(rest + decoder.decode(data))
        for part in parts:
            if part in "\r\n":
                column = 0
            elif part == "\b":
                column -= 1
            elif part[0] != "\x1b":
                while (cut := broken(part, columns, column)) is not None:
                    shown.append(part[:cut] + "\r\n  ")
                    part, column = part[cut:], 2
                column += width(part)
                if part.endswith("$ ") and column > 2:  # the shell's prompt, behind a program's or ^C
                    part, column = part[:-2] + "\r\n$ ", 2
            shown.append(part)
        return "".join(shown).encode() or read(terminal)  # nothing would be taken for the end
    return os.waitstatus_to_exitcode(pty.spawn(argv, read))


def prepare(folder):
    """Note in the demo's folder what this machine lacks, and return it."""
    missing = errors.no_strace()
    if missing:
        missing += "; no system calls are shown, the rest works."
        pathlib.Path(folder, "no-strace").write_text(missing)
    return missing


def tell(key, speed, language):
    """The story as a transcript, of the programs in a language; returns the exit status."""
    print(f"Lesson {key}: {lessons.LESSONS[key]['title']}")
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        missing = prepare(folder)
        if missing:
            print(textwrap.fill(missing[0].upper() + missing[1:], COLUMNS))
        stage = Stage(key, PlainPane, folder, language)
        stage.steps = [step for step in stage.steps if step[1] is not None]

        def say(text):
            print("\n" + textwrap.fill(f"{stage.step}. {text}", COLUMNS), flush=True)
            time.sleep(pause(text, speed))
        try:
            stage.open()
            while stage.step < len(stage.steps):
                stage.perform(say)
                for _ in range(10):  # the calls' pane looks every 50 ms, and a terminal holds 4 KB
                    time.sleep(0.02)
                    for pane in stage.panes.values():
                        pane.text()
                for pane in stage.panes.values():
                    pane.show()
        except Trouble as trouble:
            print(f"demo: {trouble}", file=sys.stderr)
            errors.teach(str(trouble))
            return 1
        finally:
            stage.close()
    return 0


def play(key, speed, language):
    """The story in a tmux of its own; returns the exit status. Nothing is left when it ends."""
    size = os.get_terminal_size(sys.stdout.fileno())
    if size.columns < COLUMNS or size.lines < ROWS:
        print(f"demo: this window has {size.columns}x{size.lines} characters, the demo needs {COLUMNS}x{ROWS}: "
              "enlarge it, or add --plain", file=sys.stderr)
        return 1
    server = ["tmux", "-L", f"course-{os.getpid()}", "-f", os.devnull]

    def end(*_):
        raise Quit
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    environment = {name: value for name, value in os.environ.items() if name not in ("TMUX", "TMUX_PANE")}
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        prepare(folder)
        environment["TMUX_TMPDIR"] = folder  # tmux leaves its socket's file behind
        note = pathlib.Path(folder, "error")
        command = shlex.join([sys.executable, os.path.abspath(__file__), "narrate", key, folder, str(speed), language])
        try:
            subprocess.call([*server, "new-session", command + " 2>" + shlex.quote(str(note)),
                             ";", "set", "destroy-unattached", "on"], env=environment)
        except Quit:
            pass
        finally:
            for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            subprocess.call([*server, "kill-server"], env=environment,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        said = note.read_text() if note.exists() else ""
    if said:
        print("demo: " + said, file=sys.stderr)
    return 1 if said else 0


if __name__ == "__main__":
    try:
        if sys.argv[1] == "calls":
            calls(sys.argv[2])
        if sys.argv[1] == "fold":
            sys.exit(fold(sys.argv[2:]))
        narrate(sys.argv[2], sys.argv[3], float(sys.argv[4]), sys.argv[5])
    except (Quit, KeyboardInterrupt):
        pass
    finally:
        if sys.argv[1] == "narrate":
            sys.stderr.flush()
            tmux("kill-session")  # its server ends with it, and says only [exited]
