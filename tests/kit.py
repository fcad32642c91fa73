"""The kit of the tests: programs on port 0, peers that play the other side, deadlines on everything.

A test file holds classes derived from Case and marked @both; each of their cases then runs against the
C program and against the Python version. COURSE_BUILD names the folder of another build of the C
programs (build/thread and the like); the cases need not know.
"""
import fcntl
import os
import pathlib
import pty
import select
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "scripts"))
from running import PATIENCE, Program, Trouble  # noqa: E402,F401

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / os.environ.get("COURSE_BUILD", "")
SANITIZED = os.environ.get("COURSE_BUILD", "") != ""
ALARMS = (b"Sanitizer", b"runtime error:", b"Traceback")  # on no program's stderr, ever


def both(base):
    """Class decorator: the cases of `base` twice, as NameC and NamePython, in the module of `base`."""
    module = sys.modules[base.__module__]
    for language in ("C", "Python"):
        name = base.__name__ + language
        setattr(module, name, type(name, (base, Case), {
            "language": language, "__module__": base.__module__, "__doc__": base.__doc__}))
    return base


def needs(command, package=None):
    """Skip a case, with what to type, where a tool of the system is missing."""
    return unittest.skipUnless(shutil.which(command) or os.path.exists("/usr/sbin/" + command),
                               f"needs {command}: apt-get install {package or command}")


def has_ipv6():
    """Whether ::1 is an address of this machine."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        return True
    except OSError:
        return False


ipv6 = unittest.skipUnless(has_ipv6(), "needs ::1, IPv6 on the loopback interface")
linux = unittest.skipUnless(os.path.exists("/proc/self/task"), "needs /proc, as Linux has it")


class Case(unittest.TestCase):
    """One case: starts programs of `lesson`, in `language`, and ends them all when it is over."""

    language = "C"
    lesson = None  # the directory, "01_basic"

    def command(self, name, language=None, lesson=None):
        """The argv that starts program `name` of the lesson."""
        folder = lesson or self.lesson
        if (language or self.language) == "C":
            return [str(BUILD / folder / name)]
        return [sys.executable, str(ROOT / folder / name) + ".py"]

    def short_of_threads(self, every, name="server"):
        """The argv that starts the Python program `name` where few threads start: no_thread.py, EVERY."""
        return ["env", f"EVERY={every}", sys.executable, str(ROOT / "tests/no_thread.py"), self.command(name, "Python")[1]]

    def start(self, argv, **keywords):
        """Start any command; when the case ends it is killed, and no sanitizer may have complained."""
        program = Program(argv, **keywords)
        self.addCleanup(self.inspect, program)
        return program

    def inspect(self, program):
        """Kill the program; fail if it left a sanitizer's report or a Python traceback."""
        program.kill()
        for alarm in ALARMS:
            if alarm in program.err:
                self.fail(f"{program.argv}: {program.err.decode('utf-8', 'replace')}")

    def server(self, *args, name="server", host="127.0.0.1", under=(), **keywords):
        """Start the lesson's server on a free port. under: a command that runs it, as `limited`."""
        program = self.start([*under, *self.command(name), host, "0", *args], **keywords)
        program.address  # waits for the first line
        return program

    def client(self, port, *args, name="client", host="127.0.0.1", **keywords):
        """Start the lesson's client towards a port on this machine."""
        return self.start([*self.command(name), host, str(port), *args], **keywords)

    def connect(self, server):
        """A socket of the test's own, connected to a Program or a port, with the usual deadline."""
        peer = connect(server if isinstance(server, int) else server.address)
        self.addCleanup(peer.close)
        return peer

    def peer(self, play, host="127.0.0.1"):
        """Play the server: play(connection) runs in a thread for each. Returns the Peer, with its .port."""
        peer = Peer(play, host)
        self.addCleanup(peer.close)
        return peer

    def full_listener(self, port=0):
        """A listening socket whose queue is full: a connect to it waits. Returns it and its port."""
        listener = socket.socket()
        self.addCleanup(listener.close)
        listener.bind(("127.0.0.1", port))
        self.fill_queue(listener)
        return listener, listener.getsockname()[1]

    def fill_queue(self, listener):
        """Listen on a bound socket, and fill its queue: a connect to it waits."""
        listener.listen(0)
        for _ in range(8):
            peer = socket.socket()
            self.addCleanup(peer.close)
            peer.setblocking(False)
            peer.connect_ex(listener.getsockname())

    def scratch_tree(self):
        """A copy of the course's own files, to plant faults in; removed when the case ends."""
        folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        for name in subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True,
                                   stdout=subprocess.PIPE).stdout.decode().split("\0"):
            if name and (ROOT / name).exists():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        return folder

    def unshared(self, namespace, command, argument):
        """Argv that runs the command after it in a namespace of its own ("mount" or "net"), after this
        command of the shell, whose $0 is the argument. Skips the case where the system forbids that."""
        if not shutil.which("unshare"):
            self.skipTest("needs unshare, which Linux has: apt-get install util-linux")
        for option in [f"--{namespace}"], [f"--{namespace}", "--map-root-user"]:  # the second for all but root
            under = ["unshare", *option, "sh", "-c", f'{command} && exec "$@"', argument]
            status, _, err = self.run_program([*under, "true"])
            if status == 0:
                return under
        return self.skipTest(f"needs a {namespace} namespace, and {command} in it: {err.strip()}")

    def network(self, command="true"):
        """Argv that runs the command after it in a network of its own, which has only the loopback
        interface, after this command of the shell."""
        up = "import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh22x', b'lo', 1))"
        return self.unshared("net", f'"$0" -c "{up}" && {command}', sys.executable)  # SIOCSIFFLAGS, IFF_UP

    def naming(self, name, *addresses):
        """Argv that runs the command after it where name has these addresses: with a hosts(5) file of ours."""
        hosts = tempfile.NamedTemporaryFile("w")
        self.addCleanup(hosts.close)
        hosts.write("".join(f"{address} {name}\n" for address in addresses))
        hosts.flush()
        return self.unshared("mount", 'mount --bind "$0" /etc/hosts', hosts.name)

    def signal_before(self, call):
        """The environment in which SIGTERM comes to a program, C or Python, just before each call of
        accept, recv, send or pause, after the last moment in which a handler could keep it from waiting."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        library = folder.name + "/late_signal.so"
        subprocess.run(["cc", "-shared", "-fPIC", str(ROOT / "tests/late_signal.c"), "-o", library, "-ldl"], check=True,
                       timeout=PATIENCE)
        return dict(os.environ, LATE=call, LD_PRELOAD=library,
                    ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0")

    def run_program(self, argv, stdin=b"", patience=PATIENCE, **keywords):
        """Run a command to its end, for so many seconds; return (exit status, stdout, stderr), both as text."""
        program = self.start(argv, **keywords)
        program.type(stdin)
        program.end_input()
        status = program.wait(patience)
        return status, program.out.decode("utf-8", "replace"), program.err.decode("utf-8", "replace")


@linux
class Tidy(Case):
    """Cases of a tool that must leave nothing: it gets a folder for temporary files and a mark in its
    environment, which all that it starts inherits."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.addCleanup(self.end_all)
        (self.folder / "tmp").mkdir()
        self.environment = dict(os.environ, TMPDIR=str(self.folder / "tmp"), MARK=str(self.folder),
                                PYTHONIOENCODING="utf-8")

    def path_without(self, missing):
        """A PATH on which all commands of this one are, but one."""
        bin = self.folder / f"without-{missing}"
        bin.mkdir()
        for folder in map(pathlib.Path, os.environ["PATH"].split(":")):
            for command in folder.iterdir() if folder.is_dir() else ():
                if command.name != missing and not os.path.lexists(bin / command.name):
                    (bin / command.name).symlink_to(command)
        return str(bin)

    def on_terminal(self, argv, **keywords):
        """The Terminal in which the command runs; ended with the case."""
        terminal = Terminal(argv, **dict(dict(env=self.environment), **keywords))
        self.addCleanup(terminal.close)
        return terminal

    def marked(self):
        """{pid: command line} of the processes that carry the mark."""
        found = {}
        for name in os.listdir("/proc"):
            try:
                if name.isdigit() and f"MARK={self.folder}\0".encode() in pathlib.Path("/proc", name, "environ").read_bytes():
                    found[int(name)] = pathlib.Path("/proc", name, "cmdline").read_bytes()
            except OSError:
                continue
        return found

    def left(self):
        """The command lines of the processes that carry the mark, and the temporary files."""
        return list(self.marked().values()), sorted(os.listdir(self.folder / "tmp"))

    def assertNothingLeft(self):
        self.assertEqual(self.left(), ([], []))

    def soonNothingLeft(self):
        """The same, where what is ending may take a moment."""
        try:
            eventually(lambda: self.left() == ([], []), "nothing left")
        except Trouble:
            self.assertNothingLeft()

    def end_all(self):
        """After a case that failed: what it left is not the next one's trouble."""
        for pid in self.marked():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


class Terminal:
    """A command in a pseudo-terminal of 80x24, its controlling one; keywords go to subprocess.Popen.
    What it has shown stands in .shown, as bytes; it comes when the test waits."""

    def __init__(self, argv, **keywords):
        self.outer, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
        # the leader of a session gets the first terminal that it opens as its controlling one
        self.process = subprocess.Popen(["sh", "-c", 'exec "$@" <"$0"', os.ttyname(inner), *argv], start_new_session=True,
                                        stdin=inner, stdout=inner, stderr=inner, **keywords)
        os.close(inner)
        self.shown = b""

    def _read(self):
        """Take what comes next; False at the end. Trouble when nothing comes."""
        if not ready([self.outer], PATIENCE):
            raise Trouble(f"nothing more came from {self.process.args}:\n{self.shown[-2000:]!r}")
        try:
            more = os.read(self.outer, 65536)
        except OSError:  # the end, as Linux tells it
            more = b""
        self.shown += more
        return bool(more)

    def expect(self, text, count=1):
        """Wait until text (bytes) has been shown count times."""
        while self.shown.count(text) < count:
            if not self._read():
                raise Trouble(f"{text!r} did not come from {self.process.args}:\n{self.shown[-2000:]!r}")

    def type(self, keys):
        """Press keys (bytes)."""
        os.write(self.outer, keys)

    def wait(self):
        """Read to the end; return the exit status."""
        while self._read():
            pass
        return self.process.wait(PATIENCE)

    def text(self):
        """What was shown, its lines ended by \\n alone."""
        return self.shown.decode("utf-8", "replace").replace("\r\n", "\n")

    def hang_up(self):
        """Close the terminal, as a closed window does; return the exit status."""
        os.close(self.outer)
        self.outer = None
        return self.process.wait(PATIENCE)

    def close(self):
        """End it all, whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.outer is not None:
            os.close(self.outer)


def connect(address):
    """Return a TCP socket connected to (host, port), or to a port of 127.0.0.1, with a deadline."""
    return socket.create_connection(("127.0.0.1", address) if isinstance(address, int) else address,
                                    timeout=PATIENCE)


def ready(files, seconds, event=select.POLLIN):
    """Wait up to so many seconds; return those files that can be read (or written: POLLOUT) now. Not
    select(2): its descriptors end at 1023, and other cases hold thousands."""
    poll = select.poll()
    for file in files:
        poll.register(file, event)
    numbers = {number for number, _ in poll.poll(seconds * 1000)}
    return [file for file in files if (file if isinstance(file, int) else file.fileno()) in numbers]


def close_reading(end, gone):
    """Close the reading end of a pipe and wait until writing to `gone` fails: a program that another
    case is just starting may hold a copy for a moment."""
    os.close(end)
    poll = select.poll()
    poll.register(gone, 0)  # POLLERR is told unasked
    poll.poll(PATIENCE * 1000)


def receive_exactly(peer, count):
    """Receive count bytes; fail with what came if the peer ends before."""
    data = bytearray()
    while len(data) < count:
        more = peer.recv(count - len(data))
        if not more:
            raise Trouble(f"only {bytes(data[-2000:])!r} came, {count} bytes were expected")
        data += more
    return bytes(data)


def receive_all(peer):
    """Receive until the peer ends; return everything."""
    data = bytearray()
    while True:
        more = peer.recv(65536)
        if not more:
            return bytes(data)
        data += more


def reset(peer):
    """Close so that the other side sees a reset (RST), not an end (FIN)."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def limited(limits):
    """Argv that runs the command after it under limits of the shell's ulimit, as "-n 32"."""
    return ["sh", "-c", f'ulimit {limits}; exec "$@"', "sh"]


def masked(text):
    """The text with PORT for the ports of this machine's addresses, so that two runs compare equal."""
    return re.sub(rb"(127\.0\.0\.1|\[::1\]):\d+", rb"\1:PORT", bytes(text))


def eventually(condition, what):
    """Wait until condition() is true, where nothing announces it: what /proc shows. Return its value."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise Trouble(f"{what}: not within {PATIENCE} s")
        time.sleep(0.01)
    return condition()


def states(pid):
    """The states of a program's threads, as proc(5) writes them: {"S"} when all of them wait."""
    found = set()
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/stat") as stat:
                found.add(stat.read().rpartition(")")[2].split()[0])
        except OSError:
            pass  # a thread that has just ended
    return found


def threads(pid):
    """How many threads the program has."""
    return len(os.listdir(f"/proc/{pid}/task"))


def descriptors(pid):
    """How many descriptors the program has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def sockets(pid):
    """How many sockets the program has open."""
    found = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found += os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:")
        except OSError:
            pass  # one that has just been closed
    return found


def memory(pid):
    """KiB of memory that the program occupies."""
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s*(\d+)", status.read())[1])


def processor_seconds(pid):
    """Seconds of processor time that the program has used."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def disturb(program):
    """Send a program that waits in a system call all that should not matter to it: stopped and
    continued, then the signals that a terminal, a socket and a child send. It waits again afterwards."""
    def waiting():
        if program.process.poll() is not None:
            raise Trouble(f"{program.argv} has ended, {program.process.returncode}: {bytes(program.err)!r}")
        return states(program.pid) == {"S"}
    eventually(waiting, "the program waits")
    program.send_signal(signal.SIGSTOP)
    eventually(lambda: states(program.pid) == {"T"}, "the program is stopped")
    program.send_signal(signal.SIGCONT)
    for number in (signal.SIGWINCH, signal.SIGURG, signal.SIGCHLD):
        eventually(waiting, "the program waits again")
        program.send_signal(number)
    eventually(waiting, "the program waits again")


class Peer:
    """A listening socket of the test's own; play(connection) runs in a thread for each connection.

    An error in a player is kept and raised by close(), which ends a failed case with the reason.
    """

    def __init__(self, play, host="127.0.0.1"):
        self.listener = socket.create_server(
            (host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=128)
        self.port = self.listener.getsockname()[1]
        self.play, self.threads, self.trouble, self.starting = play, [], [], threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            with self.starting:  # close() sees every thread that plays
                thread.start()
                self.threads.append(thread)

    def _serve(self, connection):
        connection.settimeout(PATIENCE)
        with connection:
            try:
                self.play(connection)
            except BaseException as trouble:  # noqa: B902 handed to the case that owns the peer
                self.trouble.append(trouble)

    def close(self):
        """Stop listening, wait for the players, and raise the first error of theirs."""
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # BSD and macOS: a listening socket is "not connected"
        self.listener.close()
        with self.starting:
            threads = list(self.threads)
        for thread in threads:
            thread.join(PATIENCE)
        if self.trouble:
            raise self.trouble[0]
