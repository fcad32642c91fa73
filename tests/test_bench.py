"""scripts/bench runs through, says what is missing or wrong, and leaves nothing."""
import re
import shutil
import sys
import unittest

import kit

import errors

BENCH = [sys.executable, str(kit.ROOT / "scripts" / "bench"), "--quick"]
ROWS = ["curl", "nginx", "bare loop", "http.server", "server.py", "nginx", "bare loop", "nginx", "03", "05, datagrams"]
AIMS = ["0.85 or less", "1 or more", "", "4.5 or more", "", "", "1.3 or less", "1 or more", "", ""]
SIDE = r" +(\d+(?:\.\d)?) (\d+(?:\.\d)?)\.\.(\d+(?:\.\d)?)"


def tools(case):
    """Skip a case where one of the tools is missing."""
    return kit.needs("nginx")(kit.needs("curl")(kit.needs("ab", "apache2-utils")(case)))


@unittest.skipIf(kit.SANITIZED, "measures the plain programs")
class Bench(kit.Tidy):
    def bench(self, argv, **environment):
        """(exit status, stdout, stderr) of a run that leaves nothing."""
        found = self.run_program(argv, env=dict(self.environment, **environment))
        self.assertNothingLeft()
        return found

    def with_server(self, source):
        """bench of a course whose lesson 04 has this script for a server."""
        for name in ("scripts", "04_http_get"):
            shutil.copytree(kit.ROOT / name, self.folder / name)
        server = self.folder / "04_http_get" / "server"
        server.unlink()
        server.write_text("#!/bin/sh\n" + source)
        server.chmod(0o755)
        return [sys.executable, str(self.folder / "scripts" / "bench"), "--quick"]

    @tools
    def test_every_row_is_there_and_its_numbers_agree(self):
        self.check_rows(BENCH, [""] * len(AIMS))

    @tools
    def test_without_quick_the_aims_stand_there(self):
        for name in ("scripts", "0[1-6]_*"):
            for path in kit.ROOT.glob(name):
                shutil.copytree(path, self.folder / path.name)
        bench = self.folder / "scripts" / "bench"
        bench.write_text(re.sub("(?m)^FULL = .*", "FULL = dict(QUICK)", bench.read_text()))  # in seconds
        self.check_rows([sys.executable, str(bench)], AIMS)

    def check_rows(self, argv, aims):
        """Run on a terminal: the rows, their numbers, and these aims behind them."""
        terminal = self.on_terminal(argv)
        self.assertEqual(terminal.wait(), 0, terminal.text())
        self.assertNothingLeft()
        lines = terminal.text().splitlines()
        self.assertLess(len(lines), 24)  # the prompt comes below
        self.assertEqual([line for line in lines if len(line) > 80], [])
        rows = [re.fullmatch(f"  (.{{18}}){SIDE}{SIDE} +(\\d+\\.\\d\\d)(?:  (.+))?", line) for line in lines if line[0] == " "]
        self.assertEqual([row and row[1].strip() for row in rows], ROWS, terminal.text())
        self.assertEqual([row[9] or "" for row in rows], aims)
        for row in rows:
            ours, least, most, other, lowest, highest, ratio = map(float, row.groups()[1:8])
            self.assertTrue(least <= ours <= most and lowest <= other <= highest, row[0])
            rounding = 0.05 if "." in row[2] else 0.5
            self.assertGreaterEqual(ratio + 0.005, (ours - rounding) / (other + rounding), row[0])
            self.assertLessEqual(ratio - 0.005, (ours + rounding) / (other - rounding), row[0])

    @tools
    def test_ctrl_c_leaves_nothing(self):
        for shown in (b"\nclient: ", b"\nserver: 1 KiB"):  # amid the runs that follow
            terminal = self.on_terminal(BENCH)
            terminal.expect(shown)
            terminal.type(b"\x03")
            self.assertEqual(terminal.wait(), 130, terminal.text())
            self.assertNotIn("Traceback", terminal.text())
            self.soonNothingLeft()

    @tools
    def test_wrong_bytes(self):
        (self.folder / "wrong").mkdir()
        (self.folder / "wrong" / "small").write_bytes(b"x" * 1024)
        status, out, err = self.bench(self.with_server(
            f'exec {sys.executable} -m http.server --bind "$1" -d {self.folder}/wrong "$2" 2>&1\n'))
        self.assertEqual((status, out.count("\n  ")), (1, 1), out)  # the client's row is right
        self.assertRegex(err, r"\Abench: curl .*/small: wrong bytes came\n\Z")

    @tools
    def test_a_server_that_ends(self):
        status, _, err = self.bench(self.with_server("echo server: no more >&2; exit 3\n"))
        self.assertEqual(status, 1)
        self.assertRegex(err, r"\Abench: .*04_http_get/server.* does not listen on port \d+: b'server: no more\\n'\n\Z")
        # one that ends while it serves is named, not the load that failed with it
        shutil.rmtree(self.folder / "scripts")
        shutil.rmtree(self.folder / "04_http_get")
        status, _, err = self.bench(self.with_server(f"""exec {sys.executable} -c '
import socket, sys
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
first, second = listener.accept(), listener.accept()
sys.exit("server: no more")
' "$@"
"""))
        self.assertEqual(status, 1)
        self.assertRegex(err, r"\Abench: .*04_http_get/server.* ended with status 1: server: no more\n\Z")

    def test_a_missing_tool_is_named_with_its_package(self):
        status, out, err = self.bench(BENCH, PATH=self.path_without("ab"))
        self.assertEqual((status, out), (1, ""))
        self.assertRegex(err, rf"\Abench: (.+, )?ab(, .+)? (is|are) missing: .*{errors.install('ab').split()[-1]}.*\n\Z")

    def test_help_and_wrong_usage(self):
        for argument, status in (("--help", 0), ("--fast", 2), ("04", 2)):
            found = self.bench([*BENCH[:2], argument])
            self.assertEqual((found[0], "usage: bench" in found[1 if status == 0 else 2]), (status, True), found)


if __name__ == "__main__":
    unittest.main()
