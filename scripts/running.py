"""Programs of the course as they run: started, listened to, typed into, and ended by their own pid.

Used by the tests and by every script that runs a lesson. Each wait has a deadline (seconds); a wait
that fails raises Trouble, whose text shows what the program had printed so far.
"""
import contextlib
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

PATIENCE = float(os.environ.get("COURSE_PATIENCE", "20"))  # seconds; sanitizers and CI take longer
LISTENING = re.compile(rb"^listening on (?:\[(.*)\]|(.*)):(\d+)\n", re.M)


class Trouble(AssertionError):
    """A program did not do in time what was waited for."""


def script(main):
    """End with the exit status that a script's main() returns: 130 without a word after Ctrl-C, and 1 when the
    reader of its output, a pager or head, has seen enough."""
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)


def columns():
    """How wide our output may be: a hundred columns, or the terminal's if these are fewer, also when
    a pager stands between: then stderr is the terminal."""
    try:
        width = os.get_terminal_size(2 if stat.S_ISFIFO(os.fstat(1).st_mode) else 1).columns
    except OSError:  # no terminal
        return 100
    return min(100, shutil.get_terminal_size((width or 100, 24)).columns)


def free_port():
    """A port that nobody has, below those that the kernel picks for others while we wait: for programs
    that cannot be asked for port 0, or do not tell what they got."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def nginx(folder, root, port, more=""):
    """The argv of an nginx, one process in the foreground, that serves what is below root on a port of
    127.0.0.1 and keeps its own files in folder. more: lines for its server block."""
    settings = pathlib.Path(folder, "nginx.conf")
    settings.write_text(
        f"daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log stderr;\nevents {{}}\n"
        + "http { access_log off; sendfile on; "
        + "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        + f"server {{ listen 127.0.0.1:{port}; root {root}; {more} }} }}\n")
    # Debian has it in a folder that is not on everybody's PATH
    return [shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"), "-p", str(folder), "-c", str(settings)]


class Program:
    """One running program. argv: its command line; keywords go to subprocess.Popen.

    Its stdout and stderr are collected as bytes in .out and .err while it runs (unless the caller
    directs them elsewhere). Use it in a `with`: at the end it is killed if it still runs.
    """

    def __init__(self, argv, **keywords):
        self.argv = argv
        self.out, self.err = bytearray(), bytearray()
        self.news = threading.Condition()
        for stream in ("stdin", "stdout", "stderr"):
            keywords.setdefault(stream, subprocess.PIPE)
        self.process = subprocess.Popen(argv, bufsize=0, **keywords)
        self.pid = self.process.pid
        self.readers = [threading.Thread(target=self._collect, args=pair, daemon=True)
                        for pair in ((self.process.stdout, self.out), (self.process.stderr, self.err))
                        if pair[0] is not None]
        for reader in self.readers:
            reader.start()

    def _collect(self, stream, into):
        """Append what the stream brings to `into` until its end."""
        while True:
            try:
                data = os.read(stream.fileno(), 65536)
            except (OSError, ValueError):
                data = b""
            with self.news:
                into += data
                self.news.notify_all()
            if not data:
                return

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.kill()

    def until(self, condition, what, patience=PATIENCE):
        """Wait until condition() is true, looked at whenever the program prints; return its value."""
        end = time.monotonic() + patience
        with self.news:
            while not condition():
                left = end - time.monotonic()
                if left <= 0:
                    raise Trouble(f"{what} did not come within {patience} s from {self.argv}:\n"
                                  f"stdout {bytes(self.out[-2000:])!r}\nstderr {bytes(self.err[-2000:])!r}")
                self.news.wait(min(left, 0.25))
            return condition()

    def expect(self, text, stream="out", count=1, patience=PATIENCE):
        """Wait until text (str or bytes) stands count times in stdout (or stderr: stream="err")."""
        text = text.encode() if isinstance(text, str) else text
        self.until(lambda: getattr(self, stream).count(text) >= count, repr(text), patience)

    @property
    def port(self):
        """The port that the program's first line names: `listening on 127.0.0.1:PORT`."""
        return self.address[1]

    @property
    def address(self):
        """(host, port) of the listening line; waits for it."""
        def found():
            if self.process.poll() is not None and not LISTENING.search(self.out):
                raise Trouble(f"{self.argv} ended with {self.process.returncode}: {bytes(self.err)!r}")
            return LISTENING.search(self.out)
        match = self.until(found, "the listening line")
        return (match[1] or match[2]).decode(), int(match[3])

    def connection(self, port):
        """A connection to a port of 127.0.0.1 that it was told to listen on, as soon as it does."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
            except OSError as error:
                if self.process.poll() is not None or time.monotonic() > end:
                    self.kill()  # all that it said has come then
                    raise Trouble(f"{self.argv} does not listen on port {port}: {bytes(self.err)!r}") from error
                time.sleep(0.02)  # it says nothing that we could wait for

    def type(self, text):
        """Write text (str or bytes) to its standard input; nothing happens if it has gone."""
        try:
            self.process.stdin.write(text.encode() if isinstance(text, str) else text)
        except BrokenPipeError:
            pass

    def end_input(self):
        """Close its standard input: it reads the end of file."""
        self.process.stdin.close()

    def close_output(self):
        """Read its standard output no more: its pipe breaks. The descriptor stays taken, by the null
        device, because a thread of ours may be about to read from that number."""
        with open(os.devnull, "rb") as null:
            os.dup2(null.fileno(), self.process.stdout.fileno())

    def send_signal(self, number):
        """Send the signal to the program itself, by its pid."""
        self.process.send_signal(number)

    def wait(self, patience=PATIENCE):
        """Wait for its end and for all its output; return the exit status (negative: the signal)."""
        try:
            status = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise Trouble(f"{self.argv} did not end within {patience} s:\nstdout "
                          f"{bytes(self.out[-2000:])!r}\nstderr {bytes(self.err[-2000:])!r}") from None
        for reader in self.readers:
            reader.join(patience)
        return status

    def stop(self, number=signal.SIGTERM, patience=PATIENCE):
        """Send a signal and wait for the end; return the exit status. ThreadSanitizer holds a signal
        back while its thread waits in some calls: after 5 s each thread gets it, by its own id."""
        self.send_signal(number)
        if os.environ.get("COURSE_BUILD") == "build/thread":
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                for thread in sorted(os.listdir(f"/proc/{self.pid}/task"), key=int, reverse=True):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(thread), number)
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        self.process.wait(0.2)  # or the next would be taken for the same signal
        return self.wait(patience)

    def kill(self):
        """End it, whatever state it is in, and let go of its streams."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for reader in self.readers:
            reader.join(1)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    pass  # what was typed last had no reader any more
