"""make doctor: each fault is planted once, and must be named with its cure."""
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

    def test_crlf_line_ends(self):
        tree = self.scratch_tree()
        source = tree / "03_threaded/server.c"
        source.write_bytes(source.read_bytes().replace(b"\n", b"\r\n"))
        status, out = self.doctor(tree)
        self.assertEqual(status, 1)
        self.assertIn("!! CRLF line ends in 1 files, 03_threaded/server.c for one\n       git config", out)

    def test_missing_tools(self):
        with tempfile.TemporaryDirectory() as folder:
            status, out = self.doctor(PATH=folder)
        self.assertEqual(status, 1)
        for line in ("!! cc: there is no C compiler\n       ", "!! make: there is no GNU make\n       ",
                     "-- tmux is not here, for the lessons in panes"):
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
        self.assertIn("       ulimit -n 64 ", out)  # the hard limit is 64, too
