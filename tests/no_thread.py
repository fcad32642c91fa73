"""Runs a Python program in which, after the first, which waits for signals, every second thread fails
to start, as at a limit, with EVERY=1 in the environment all of them, with EVERY=0 the first one, too,
with MEMORY for want of memory: no_thread.py PROGRAM [ARGUMENT ...]"""
import itertools
import os
import runpy
import sys
import threading

calls, every = itertools.count(), int(os.environ.get("EVERY", 2))
start = threading.Thread.start


def start_or_fail(thread):
    """Stands in the place of Thread.start."""
    number = next(calls)
    if every == 0 or (number > 0 and number % every == 0):
        raise MemoryError if "MEMORY" in os.environ else RuntimeError("can't start new thread")
    start(thread)


threading.Thread.start = start_or_fail
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
