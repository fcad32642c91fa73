"""scripts/watch builds and tests a lesson whenever one of its files is saved."""
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import unittest

import kit


class Watch(kit.Case):
    """A copy of a course with one lesson and a stand-in for make."""

    def test_a_save_runs_the_tests_again(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            shutil.copytree(kit.ROOT / "scripts", root / "scripts")
            (root / "01_basic").mkdir()
            source = root / "01_basic" / "server.c"
            source.write_text("")
            make = root / "make"
            make.write_text('#!/bin/sh\necho "made $2"\n! grep -q broken 01_basic/server.c\n')
            make.chmod(0o755)
            watch = self.start([sys.executable, str(root / "scripts" / "watch"), "01"], env=dict(os.environ, MAKE=str(make)))
            watch.expect("all is well")
            self.assertEqual(watch.out.splitlines()[:2], [b"made 01", b"made test-01"])
            source.write_text("broken")
            watch.expect("01_basic/server.c was saved")
            watch.expect("make 01 failed")
            source.write_text("good again")
            watch.expect("all is well", count=2)
            self.assertEqual(watch.stop(signal.SIGINT), 0)
            self.assertEqual(bytes(watch.err), b"")


if __name__ == "__main__":
    unittest.main()
