"""scripts/trace: what it draws is what was said, whatever the pair, and it leaves nothing behind."""
import pathlib
import re
import shlex
import signal
import sys
import unicodedata
import unittest
import xml.etree.ElementTree

import kit

import errors
import lessons
import calls as tracing

MISSING = f"strace is missing: {errors.install('strace')}"
TRACE = [sys.executable, str(kit.ROOT / "scripts" / "trace")]
# a sanitized program does not run under strace: the leak sanitizer traces it itself
THERE = [key for key in sorted(lessons.LESSONS)
         if not kit.SANITIZED and all((kit.ROOT / lessons.LESSONS[key]["folder"] / name).exists()
                                      for name in ("server.c", "client.c"))]
STEADY = [key for key in THERE if key != "06"]  # how many bytes one recv takes there is the kernel's choice

LISTEN = """
import os, socket, struct, sys, threading
listener = socket.create_server(("127.0.0.1", 0))
print("listening on 127.0.0.1:%d" % listener.getsockname()[1], flush=True)
"""
CONNECT = """
import socket, struct, sys
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
"""
# the first recv takes two sends, then one send is taken by two recvs, then the client resets
MERGING = LISTEN + """
client, _ = listener.accept()
client.recv(10, socket.MSG_WAITALL)
client.send(b"ABCDEFGHIJ")
try:
    client.recv(100)
except ConnectionResetError:
    client.close()
listener.close()
"""
MERGED = CONNECT + """
peer.send(b"abcd")
peer.send(b"efghij")
peer.recv(4)
peer.recv(100)
peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
peer.close()
"""
THREADS = LISTEN + """
def serve(client):
    with client:
        while True:
            data = client.recv(1024)
            if not data:
                return
            client.sendall(b"Echo: " + data)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""
TALKING = CONNECT + """
for line in sys.stdin:
    peer.send(line.strip().encode())
    print(peer.recv(1024))
peer.close()
"""
DATAGRAMS = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 0))
print("listening on 127.0.0.1:%d" % server.getsockname()[1], flush=True)
for _ in range(2):
    data, peer = server.recvfrom(4)
    server.sendto(b"got " + data, peer)
"""
SENDING = """
import socket, sys
nobody = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
nobody.bind(("127.0.0.1", 0))
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.sendto(b"unread", nobody.getsockname())
for message in (b"one", b"longer"):
    client.sendto(message, ("127.0.0.1", int(sys.argv[1])))
    client.recvfrom(1024)
"""
LOOKING_UP = """
import socket, sys
netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
netlink.bind((0, 0))
cache = socket.socket(socket.AF_UNIX)
cache.connect_ex("/var/run/nscd/socket")
routed = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
routed.connect(("127.0.0.1", 9))
routed.close()
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
"""
ACCEPTING = LISTEN + """
listener.accept()[0].recv(1024)
"""
# never ends by itself, ignores what asks politely, and has a child of its own
STUBBORN = LISTEN + """
import signal, subprocess
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
subprocess.Popen(["sleep", "300"])
kept = []
while True:
    kept.append(listener.accept())
"""
SILENT = CONNECT + """
peer.recv(1024)
"""


def python(code, *args):
    """A command line that runs code."""
    return " ".join(map(shlex.quote, (sys.executable, "-c", code) + args))


def columns(line):
    """How wide a terminal shows a line."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


class Traced(kit.Tidy):
    """What all cases need."""

    def trace(self, *args, status=0):
        """What `trace ARGS` prints; fails unless it exits with status and leaves nothing."""
        got, out, err = self.run_program(TRACE + list(args), env=self.environment)
        self.assertEqual(got, status, err + out)
        self.assertNothingLeft()
        return out if status == 0 else err

    def pair(self, server, client, *args, **keywords):
        return self.trace("--pair", python(server), python(client, "{port}"), *args, **keywords)


@kit.needs("strace")
class Exchanges(Traced):
    """Exchanges whose calls are known."""

    def test_calls_of_merged_and_split_sends(self):
        lines = self.pair(MERGING, MERGED, "--calls").splitlines()
        wanted = """\
server: accept4(3) = 4 from 127.0.0.1:40001
server: recv(4, 10, MSG_WAITALL) = 10 "abcdefghij"
server: send(4, "ABCDEFGHIJ", 10) = 10
server: recv(4, 100) = -1 ECONNRESET
server: close(4) = 0
server: close(3) = 0
client: socket(AF_INET, SOCK_STREAM) = 3
client: connect(3, 127.0.0.1:20000) = 0
client: send(3, "abcd", 4) = 4
client: send(3, "efghij", 6) = 6
client: recv(3, 4) = 4 "ABCD"
client: recv(3, 100) = 6 "EFGHIJ"
client: setsockopt(3, SO_LINGER, {l_onoff=1, l_linger=0}) = 0
client: close(3) = 0""".splitlines()
        self.assertEqual(lines[-len(wanted):], wanted)

    def test_arrows_of_merged_and_split_sends(self):
        text = self.pair(MERGING, MERGED, "--mask")
        for part in ('┌─0-3─── send(3, "abcd", 4)', '┌4-9── send(3, "efghij", 6)',
                     '...recv(4) = 10 "abcdefghij"               <─0-9─┴─┘',
                     'send(4, "ABCDEFGHIJ", 10) = 10             ──0-9─┐',
                     '├─0-3──> ...recv(3) = 4 "ABCD"', '└─4-9──> recv(3, 100) = 6 "EFGHIJ"',
                     '┌─RST─── close(3) = 0', '...recv(4) = -1 ECONNRESET                 <─────┘'):
            self.assertIn(part, text)

    def test_by_the_clock_too(self):
        text = self.pair(MERGING, MERGED)
        self.assertRegex(text, r'recv\(4.*\) = 10 "abcdefghij" +<.*┴.*┘')

    def test_ascii(self):
        self.pair(MERGING, MERGED, "--ascii").encode("ascii")

    def test_threads_are_told_apart(self):
        lines = self.pair(THREADS, TALKING, "--line", "hello", "--line", "you", "--mask").splitlines()
        server = [line.split("  ")[0] for line in lines if re.match(r"t\d", line)]
        self.assertIn("t1 ...accept4(3) = 4 from 127.0.0.1:40001", server)
        self.assertIn('t2 send(4, "Echo: hello", 11) = 11', server)
        self.assertIn('t2 ...recv(4) = 3 "you"', server)
        self.assertEqual([line for line in server if line.startswith("t2 accept")], [])
        self.assertIn("the server still waited when trace ended it", lines[-1])

    def test_an_idle_pool_is_one_line(self):
        server = LISTEN + """
def serve():
    while True:
        listener.accept()[0].recv(9)
for _ in range(20):
    threading.Thread(target=serve, daemon=True).start()
threading.Event().wait()
"""
        text = self.pair(server, CONNECT + "peer.send(b'hi')", "--mask")
        self.assertIn("\nt3-t21 accept4(3) waits\n", text)
        self.assertIn("t2 ...accept4(3) = 4", text)
        self.assertEqual(text.count("accept4(3) waits"), 3)     # t2 before and after, and the pool

    def test_datagrams(self):
        text = self.pair(DATAGRAMS, SENDING, "--mask")
        self.assertRegex(text, r'x──── sendto\(4, "unread", 6')
        for number, size, data in (3, 3, "one"), (3, 4, "long"), (4, 8, "got long"):  # "long": the rest was cut off
            self.assertRegex(text, rf'\.\.\.recvfrom\({number}\) = {size} "{data}"|'  # it waited, or need not
                                   rf'recvfrom\({number}, "{data}", \d+\) = {size}')
        self.assertRegex(text, r'recvfrom\(3.*"one".* <─────┘')
        self.assertEqual(text.count("<───"), 2)
        self.assertEqual(text.count("──>"), 2)

    def test_look_ups_of_the_library_are_hidden(self):
        lines = self.pair(ACCEPTING, LOOKING_UP, "--calls").splitlines()
        client = [line.split()[1].split("(")[0] for line in lines if line.startswith("client")]
        self.assertEqual(client, ["socket", "connect", "close"])

    def test_a_connection_from_elsewhere_is_left_out(self):
        told = self.folder / "port"
        server = LISTEN + """
open(%r, "w").write("%%d\\n" %% listener.getsockname()[1])
for client in [listener.accept()[0] for _ in range(2)]:
    client.recv(9)
""" % str(told)
        program = self.start(TRACE + ["--pair", python(server), python(CONNECT + "peer.send(b'hi')", "{port}"),
                                      "--calls"], env=self.environment)
        program.until(lambda: told.exists() and told.read_text().endswith("\n"), "the port")
        kit.connect(int(told.read_text())).close()
        self.assertEqual((program.wait(), program.out.count(b"accept4")), (0, 1), program.err)
        self.assertIn(b"left out", program.err)

    def test_unix_sockets_show(self):
        path = str(self.folder / "here")
        server = LISTEN.replace('create_server(("127.0.0.1", 0))', "socket(socket.AF_UNIX)").replace(
            'print("listening on 127.0.0.1:%d" % listener.getsockname()[1], flush=True)',
            "listener.bind(%r); listener.listen(); print('listening on %s', flush=True)" % (path, path))
        client = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.send(b'hi')"
        text = self.trace("--pair", python(server + "listener.accept()[0].recv(9)"),
                          python(client, "{address}"), "--mask")
        self.assertRegex(text, r'\.\.\.recv\(4\) = 2 "hi" +<─────┘')

    def test_picture(self):
        file = self.folder / "ladder.svg"
        self.pair(MERGING, MERGED, "--mask", "--svg", str(file))
        root = xml.etree.ElementTree.parse(file).getroot()
        name = "{http://www.w3.org/2000/svg}"
        self.assertTrue(root.find(name + "title").text.strip())
        self.assertIn('client: send(3, "abcd", 4) = 4', root.find(name + "desc").text)
        self.assertIn("prefers-color-scheme: dark", root.find(name + "style").text)
        self.assertNotIn("var(", file.read_text())    # slides know no custom properties
        arrows = [path for path in root.iter(name + "path") if path.get("class", "").startswith("arrow")]
        self.assertEqual(len(arrows), 1 + 2 + 2 + 1)        # SYN, merged, split, RST
        self.assertEqual(self.trace("--pair", "true", "true", "--svg", "/nowhere/x", status=1).count("\n"), 1)

    def test_what_fails_is_told_in_one_line(self):
        self.assertIn("no such program", self.trace("--pair", "/no/such", "true", status=1))
        self.assertIn("did not say", self.trace("--pair", "true", "true {port}", status=1))
        self.assertIn("no lesson 99", self.trace("99", status=2))
        self.assertIn("either", self.trace(status=2))

    def test_missing_strace_alone(self):
        self.environment["PATH"] = self.path_without("strace")
        message = self.trace("01", status=1)
        self.assertEqual(message, f"trace: {MISSING}\n")

    def test_missing_tmux_alone(self):
        self.environment["PATH"] = self.path_without("tmux")
        self.assertIn("accept", self.trace("01"))


@kit.needs("strace")
class Lessons(Traced):
    """Every lesson, into a pipe and on a terminal."""

    def shown(self, *args, before=()):
        """What `trace ARGS` shows on a terminal."""
        terminal = self.on_terminal([*before, *TRACE, *args])
        self.assertEqual(terminal.wait(), 0, terminal.shown)
        self.assertNothingLeft()
        # on stderr: somebody else's test looked for open ports
        return re.sub(r"(?m)^trace: left out: a connection from .*\n", "", terminal.text())

    def check_ladder(self, key, text, most=100):
        self.assertIn(lessons.LESSONS[key]["title"], text)
        self.assertEqual([line for line in text.splitlines() if columns(line) > most], [])
        self.assertRegex(text, "<─")
        self.assertRegex(text, "─>")

    def test_pager(self):
        self.check_ladder("01", self.shown("01", before=["sh", "-c", '"$@" | cat', "sh"]), 80)

    def check_lesson(self, key):
        self.check_ladder(key, self.shown(key), 80)
        self.check_ladder(key, self.trace(key))
        piped = self.trace(key, "--mask")
        self.check_ladder(key, piped)
        if key in STEADY:
            self.environment["COLUMNS"] = "120"  # a wide terminal shows what a pipe gets
            self.assertEqual(piped, self.shown(key, "--mask"), "two runs of one conversation")
            self.assertEqual(self.trace(key, "--calls"), self.trace(key, "--calls"))


for _key in THERE:
    setattr(Lessons, "test_%s" % _key, lambda self, key=_key: self.check_lesson(key))


@kit.needs("strace")
class Endings(Traced):
    """However it ends, no process and no file stays."""

    def started(self):
        program = self.start(TRACE + ["--pair", python(STUBBORN), python(SILENT, "{port}")],
                             env=self.environment)
        program.until(lambda: {"server", "client"} <= {
            "server" if b"create_server" in line else "client" for line in self.left()[0]
            if line.startswith(sys.executable.encode()) and b"scripts/trace" not in line}, "server and client")
        self.assertEqual(len(self.left()[1]), 1)
        return program

    def check_signal(self, number):
        self.assertEqual(self.started().stop(number), 130)
        self.assertNothingLeft()

    def test_interrupted(self):
        self.check_signal(signal.SIGINT)

    def test_terminated(self):
        self.check_signal(signal.SIGTERM)

    def test_terminal_closed(self):
        self.check_signal(signal.SIGHUP)

    def test_deadline(self):
        message = self.pair(STUBBORN, SILENT, "--deadline", "3", status=1)
        self.assertIn("not over after 3 seconds", message)


class Reading(unittest.TestCase):
    """strace's lines, as text: what a run cannot be made to show at will."""

    def read(self, *lines):
        return tracing.Reader(0, ["7 %d.%06d %s" % (i, 0, line) for i, line in enumerate(lines)]).calls

    def test_a_call_in_two_parts(self):
        calls = self.read("socket(AF_INET, SOCK_STREAM, 0) = 3<TCP:[5]> <0.000010>",
                          "recvfrom(3<TCP:[5]>,  <unfinished ...>",
                          '<... recvfrom resumed>"a,b) = 7\\0\\"", 1024, 0, NULL, NULL) = 10 <1.000000>')
        self.assertEqual([call.name for call in calls], ["socket", "recvfrom"])
        self.assertEqual((calls[1].data, calls[1].ret, calls[1].t1), (b'a,b) = 7\0"', 10, 2.0))

    def test_a_call_that_never_returned(self):
        calls = self.read("socket(AF_INET, SOCK_STREAM, 0) = 3<TCP:[5]> <0.000010>",
                          "accept(3<TCP:[127.0.0.1:5]>, NULL, NULL) = ? ERESTARTSYS (To be restarted) <1.0>")
        self.assertEqual((calls[1].ret, calls[1].t1), (None, None))

    def test_files_are_no_sockets(self):
        self.assertEqual(self.read('read(3</etc/hosts>, "x", 10) = 1 <0.000010>',
                                   'write(1<pipe:[12]>, "x", 1) = 1 <0.000010>', "close(3</etc/hosts>) = 0"), [])

    def test_ipv6_addresses(self):
        self.assertEqual(tracing.address('{sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), '
                                         'inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}'), "[::1]:80")


if __name__ == "__main__":
    unittest.main()
