"""make doctor: each fault is planted once, and must be named with its cure. And the help of every script."""
import os
import shutil
import socket
import sys
import tempfile

import kit


class Doctor(kit.Case):
    def doctor(self, tree=kit.ROOT, under=(), **environment):
        """Run doctor of a tree; return (exit status, output)."""
        status, out, err = self.run_program([*under, sys.executable, str(tree / "scripts/doctor")],
                                            env=dict(os.environ, **environment))
        self.assertEqual(err, "")
        return status, out

    def test_status_is_one_exactly_when_a_fault_is_shown(self):
        status, out = self.doctor()
        self.assertEqual(status, 1 if "\n!! " in "\n" + out else 0, out)
        self.assertRegex(out, r"(?m)^ok cc \d")
        self.assertRegex(out, r"(?m)^ok TCP over 127\.0\.0\.1 works\nok UDP over 127\.0\.0\.1 works$")

    def test_a_held_port_is_named_with_its_holder(self):
        for kind, key in ((socket.SOCK_STREAM, "19527"), (socket.SOCK_DGRAM, "19535")):
            tree = self.scratch_tree()
            with socket.socket(socket.AF_INET, kind) as holder:
                holder.bind(("127.0.0.1", 0))
                if kind == socket.SOCK_STREAM:
                    holder.listen(1)
                port = holder.getsockname()[1]
                table = tree / "scripts/lessons.py"
                table.write_text(table.read_text().replace(f"port={key}", f"port={port}"))
                status, out = self.doctor(tree)
            self.assertEqual(status, 1)
            self.assertRegex(out, rf"(?m)^!! port {port}/\w+: Address already in use")
            if os.path.exists("/proc/net/tcp"):
                self.assertIn(f"pid {os.getpid()}\n", out)

    def check_crlf(self, tree):
        """Windows line ends are told, and gone when the cures have been typed."""
        source = tree / "03_threaded/server.c"
        source.write_bytes(source.read_bytes().replace(b"\n", b"\r\n"))
        status, out = self.doctor(tree)
        self.assertEqual(status, 1)
        self.assertIn("!! Windows line ends (CRLF) in 1 files, 03_threaded/server.c for one\n       ", out)
        cures = [line.strip() for line in out.partition("!! Windows")[2].split("\n") if line.startswith("       ")]
        cure = self.run_program(["sh", "-c", "\n".join(cures)], cwd=tree)
        self.assertIn("ok line ends are LF", self.doctor(tree)[1], cure)

    def test_crlf_line_ends(self):
        self.check_crlf(self.scratch_tree())

    @kit.needs("git")
    def test_crlf_line_ends_in_a_clone(self):
        tree = self.scratch_tree()
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"]):
            self.run_program(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=tree)
        (tree / "01_basic" / "client.c").write_text("changed")
        self.check_crlf(tree)
        self.assertEqual((tree / "01_basic" / "client.c").read_text(), "changed")

    def test_on_a_terminal_it_says_the_same(self):
        terminal = kit.Terminal([sys.executable, str(kit.ROOT / "scripts/doctor")])
        self.addCleanup(terminal.close)
        status = terminal.wait()
        for line in terminal.text().splitlines():
            self.assertTrue(len(line) <= 80 or line.startswith("       "), line)
        self.assertEqual(status, 1 if "\n!! " in "\n" + terminal.text() else 0)
        self.assertIn("ok TCP over 127.0.0.1 works\n", terminal.text())

    def test_missing_tools(self):
        with tempfile.TemporaryDirectory() as folder:
            status, out = self.doctor(PATH=folder)
        self.assertEqual(status, 1)
        for line in ("!! cc: there is no C compiler\n       ", "!! make: there is no GNU make\n       ",
                     "-- tmux is missing; only for make demo-03 in panes"):
            self.assertIn(line, out)

    def test_a_compiler_that_does_not_compile(self):
        with tempfile.TemporaryDirectory() as folder:
            os.symlink(shutil.which("false"), os.path.join(folder, "cc"))
            status, out = self.doctor(PATH=folder + ":" + os.environ["PATH"])
        self.assertEqual(status, 1)
        self.assertRegex(out, r"(?m)^!! cc .* compiles nothing")

    def test_too_few_descriptors(self):
        status, out = self.doctor(under=kit.limited("-n 64"))
        self.assertEqual(status, 1)
        self.assertIn("!! ulimit -n is 64", out)
        self.assertIn("       sudo prlimit --pid $$ --nofile=256 ", out)  # the hard limit is 64, too
        self.assertIn("       ulimit -n 256 ", self.doctor(under=kit.limited("-Sn 64"))[1])


class Help(kit.Case):
    def test_no_line_of_any_scripts_help_wraps(self):
        for script in sorted(path for path in kit.ROOT.glob("scripts/*") if path.is_file() and os.access(path, os.X_OK)):
            with self.subTest(script.name):
                _, out, err = self.run_program([str(script), "--help"], env=dict(os.environ, COLUMNS="80"))
                self.assertTrue(out)
                self.assertEqual([line for line in (out + err).splitlines() if len(line) > 80], [])
