#!/usr/bin/env python3
"""Run the tests side by side: tests/run.py [WORD ...], each WORD part of a case's full name.

A case that measures, or that wants the machine's descriptors for itself, has `alone = True` in its
class: such cases run one after the other, when the others are done. Below a failure stands the line
of docs/errors.md that fits, if one does. The last line printed is `N passed, N failed, N skipped`. Exit
status 0 when none failed; with COURSE_NO_SKIP set (as CI does) 1 when one was skipped, too; 1 when
there was no case at all.
"""
import concurrent.futures
import faulthandler
import os
import pathlib
import resource
import signal
import sys
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "scripts"))
import errors  # noqa: E402

AT_ONCE = int(os.environ.get("COURSE_JOBS", "8"))
DEADLINE = 1500  # seconds for everything; then all stacks are shown and the run has failed


def cases_of(suite):
    """Every single case of a suite of suites."""
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from cases_of(item)
        else:
            yield item


def run(case):
    """Run one case. Returns (case, seconds, its result)."""
    result, start = unittest.TestResult(), time.monotonic()
    unittest.TestSuite([case]).run(result)
    return case, time.monotonic() - start, result


def ended_by_keys(pool, results):
    """The results as they come. Ctrl-C: no further case begins; when those that run have cleaned up, after 3 s
    or at a second Ctrl-C, the program ends. What the cases have started has got the signal, too."""
    try:
        yield from results
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
        limit = threading.Timer(3, os._exit, [130])  # a case may wait for long for what will not come any more
        limit.daemon = True
        limit.start()
        pool.shutdown(cancel_futures=True)
        sys.exit(130)


def main(words):
    """Run the cases whose names hold one of the words (no words: all). Returns the exit status."""
    faulthandler.dump_traceback_later(DEADLINE, exit=True)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or soft < hard:  # thousands of clients need thousands of them
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20000) if hard > 0 else 20000, hard))
    sys.path.insert(0, str(HERE))
    cases = [case for case in cases_of(unittest.TestLoader().discover(str(HERE), "test_*.py"))
             if not words or any(word in case.id() for word in words)]
    together = [case for case in cases if not getattr(case, "alone", False)]
    alone = [case for case in cases if getattr(case, "alone", False)]
    failed = skipped = passed = 0
    slowest = []

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        rounds = [pool.map(run, together), map(run, alone)]
        for results in rounds:
            for case, seconds, result in ended_by_keys(pool, results):
                if sys.stderr.isatty():  # minutes without a word look like a program that hangs
                    print(f"{len(slowest)} of {len(cases)}", end="\r", file=sys.stderr, flush=True)
                slowest.append((seconds, case.id()))
                for kind, entries in (("FAILED", result.failures), ("FAILED", result.errors),
                                      ("skipped", result.skipped)):
                    for _, text in entries:
                        print(f"{kind} {case.id()}: {text}", flush=True)
                        if kind == "FAILED":
                            errors.teach(text.rpartition("\n    ")[2], sys.stdout)  # not of the code that failed
                if result.failures or result.errors or result.unexpectedSuccesses:
                    failed += 1
                elif result.skipped:
                    skipped += 1
                else:
                    passed += 1
    if os.environ.get("COURSE_TIMES"):
        for seconds, name in sorted(slowest)[-15:]:
            print(f"{seconds:6.1f} s  {name}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed or not cases or (skipped and os.environ.get("COURSE_NO_SKIP")) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
