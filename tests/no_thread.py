"""Runs a Python program in which, after the first, which waits for signals, every second thread fails
to start, as at a limit, with EVERY=1 in the environment all of them:
no_thread.py PROGRAM [ARGUMENT ...]"""
import itertools
import os
import runpy
import sys
import threading

calls, start = itertools.count(), threading.Thread.start


def start_or_fail(thread):
    """Stands in the place of Thread.start."""
    number = next(calls)
    if number > 0 and number % int(os.environ.get("EVERY", 2)) == 0:
        raise RuntimeError("can't start new thread")
    start(thread)


threading.Thread.start = start_or_fail
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
