"""Lesson 06, what lies between send and recv: rows, bars, blocking, framing, in C and in Python."""
import contextlib
import csv
import errno
import fcntl
import os
import pathlib
import pty
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import types

import demands
import kit

LESSON = "06_buffers"
COLUMNS = ["seconds", "bytes", "send_queue", "receive_queue", "partial", "blocked_ms"]
SENT = re.compile(r"^sent (\d+) bytes in (\d+) sends, (\d+) of them partial\n"
                  r"blocked (\d+\.\d{3}) s of (\d+\.\d{3}) s(?:, EAGAIN (\d+) times)?$", re.M)
RECEIVED = re.compile(r"^received (\d+) bytes in (\d+) recvs, content (intact|damaged), (\d+) recvs not full\n"
                      r"blocked (\d+\.\d{3}) s of (\d+\.\d{3}) s$", re.M)


def rows(program):
    """The CSV that a program has printed so far, as a list of {column: number}; whole lines only."""
    lines = bytes(program.out).decode().split("\n")[:-1]
    lines = [line for line in lines if not line.startswith("listening on ")]
    return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(lines)]


def summary(program, pattern):
    """The one line of words on stderr, as the tuple of its groups."""
    found = pattern.findall(program.err.decode())
    assert len(found) == 1, program.err
    return found[0]


class Terminal:
    """A pseudo-terminal of so many columns; what a program draws on it is collected in .drawn."""

    def __init__(self, columns):
        self.main, self.side = pty.openpty()
        fcntl.ioctl(self.side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.drawn = b""
        self.reader = threading.Thread(target=self._collect, daemon=True)

    def _collect(self):
        while True:
            try:
                data = os.read(self.main, 65536)
            except OSError:
                data = b""
            if not data:
                return
            self.drawn += data

    def handed_over(self):
        """The program has it now: its end is our end of file."""
        os.close(self.side)
        self.reader.start()

    def text(self):
        """Everything drawn, when the program has ended."""
        self.reader.join(kit.PATIENCE)
        os.close(self.main)
        return self.drawn.decode().replace("\r\n", "\n")


@kit.both
class Transfer(demands.LastMoment):
    """The fast writer and the slow reader."""

    lesson = LESSON

    def pair(self, *args, options=(), server=("0",), server_options=()):
        """Start both; the client's arguments stand behind HOST and PORT."""
        reader = self.start([*self.command("server"), *server_options, "127.0.0.1", "0", *server])
        writer = self.start([*self.command("client"), *options, "127.0.0.1", str(reader.port), *args])
        return reader, writer

    def stuck(self, writer):
        """Wait until the writer stands still: blocked, with the same bytes in three rows."""
        def still():
            last = rows(writer)[-3:]
            return len(last) == 3 and last[0]["bytes"] == last[2]["bytes"] > 0 and \
                last[0]["send_queue"] == last[2]["send_queue"] > 0 and \
                last[0]["blocked_ms"] < last[2]["blocked_ms"]
        writer.until(still, "a writer that stands still")
        return rows(writer)[-1]

    def test_rows_parse_and_add_up(self):
        reader, writer = self.pair("300000", options=["-m", "10000"], server=["1000000"])
        self.assertEqual((writer.wait(), reader.wait()), (0, 0), writer.err + reader.err)
        self.assertRegex(reader.out.decode(), r"\Alistening on 127\.0\.0\.1:\d+\nseconds,")
        for program, call, words in ((writer, "sends", SENT), (reader, "recvs", RECEIVED)):
            table = rows(program)
            self.assertEqual(list(table[0]), COLUMNS[:4] + [call] + COLUMNS[4:])
            self.assertGreaterEqual(len(table), 2)
            for before, row in zip(table, table[1:]):
                for column in ("seconds", "bytes", call, "partial", "blocked_ms"):
                    self.assertGreaterEqual(row[column], before[column], column)
                self.assertLessEqual(row["partial"], row[call])
                self.assertLessEqual(row["blocked_ms"], row["seconds"] * 1000 + 1)
            self.assertEqual((table[0]["bytes"], table[0][call], table[0]["blocked_ms"]), (0, 0, 0))
            last = table[-1]
            self.assertEqual((last["bytes"], last["send_queue"], last["receive_queue"]), (300000, 0, 0))
            said = summary(program, words)
            self.assertEqual((int(said[0]), int(said[1])), (300000, last[call]))
        self.assertEqual(rows(writer)[-1]["sends"], 30)
        self.assertEqual(summary(reader, RECEIVED)[2], "intact")

    def test_a_row_every_tenth_of_a_second(self):
        reader, writer = self.pair("200000", server=["200000"])
        self.assertEqual((writer.wait(), reader.wait()), (0, 0), writer.err + reader.err)
        seconds = rows(reader)[-1]["seconds"]
        self.assertGreater(len(rows(reader)), seconds * 10 / 4)  # a busy machine may skip some
        self.assertLess(len(rows(reader)), seconds * 10 + 3)

    def test_says_what_was_asked_and_what_the_kernel_granted(self):
        for option, name, number in (("-s", "SO_SNDBUF", socket.SO_SNDBUF), ("-r", "SO_RCVBUF", socket.SO_RCVBUF)):
            with socket.socket() as own:
                own.setsockopt(socket.SOL_SOCKET, number, 9000)
                granted = own.getsockopt(socket.SOL_SOCKET, number)
            reader, writer = self.pair("1000", options=[option, "9000"], server_options=[option, "9000"])
            self.assertEqual((writer.wait(), reader.wait()), (0, 0), writer.err + reader.err)
            for program in (reader, writer):
                self.assertIn(f"{name}: asked for 9000 bytes, granted {granted}\n", program.err.decode())
        self.assertRegex(writer.err.decode(), r"SO_SNDBUF: not asked for, granted \d+\n")

    def test_buffers_fill_and_then_send_blocks_or_fails_with_eagain(self):
        for options in ([], ["-n"]):
            reader, writer = self.pair("9000000", options=[*options, "-s", "8192", "-m", "65536"],
                                       server=["1"], server_options=["-r", "8192"])
            if options:
                row = self.stuck(writer)
                # every byte that send took lies in one of the two queues; the reader takes one a second
                own = rows(reader)[-1]
                everywhere = row["send_queue"] + own["receive_queue"] + own["bytes"]
                self.assertAlmostEqual(row["bytes"], everywhere, delta=10)
                self.assertGreater(row["partial"], 0)
            else:  # the first send has not returned: its bytes are in the queue and not yet counted
                writer.until(lambda: rows(writer)[-1:] and rows(writer)[-1]["blocked_ms"] > 200, "a block")
                row = rows(writer)[-1]
                self.assertEqual((row["bytes"], row["sends"]), (0, 0))
                self.assertGreater(row["send_queue"], 0)
            self.assertEqual(writer.stop(signal.SIGINT), 0)
            said = summary(writer, SENT)
            self.assertGreater(float(said[3]), 0.1)
            self.assertLessEqual(float(said[3]), float(said[4]))
            self.assertEqual(int(said[5] or 0) > 0, bool(options))
            self.assertEqual(reader.stop(signal.SIGTERM), 0)
            self.assertEqual(summary(reader, RECEIVED)[2], "intact")

    def test_a_blocked_send_goes_on_when_the_reader_wakes(self):
        awake, arrived = threading.Event(), []

        def play(connection):
            awake.wait(kit.PATIENCE)
            arrived.append(kit.receive_all(connection))
        peer = self.peer(play)
        writer = self.start([*self.command("client"), "-s", "8192", "-m", "1000", "127.0.0.1", str(peer.port),
                             "9000000"])
        row = self.stuck(writer)
        self.assertLess(row["bytes"], 9000000)
        awake.set()
        self.assertEqual(writer.wait(), 0, writer.err)
        peer.close()
        self.assertEqual([len(data) for data in arrived], [9000000])
        self.assertEqual(summary(writer, SENT)[:2], ("9000000", "9000"))

    def test_a_blocked_writer_costs_no_processor_time(self):
        if not os.path.exists("/proc/self/stat"):
            self.skipTest("needs /proc: Linux")

        def ticks(program):
            fields = pathlib.Path(f"/proc/{program.pid}/stat").read_text().rpartition(")")[2].split()
            return int(fields[11]) + int(fields[12])
        for options in ([], ["-n"]):
            reader, writer = self.pair("9000000", options=["-s", "8192", "-m", "1000", *options], server=["1"],
                                       server_options=["-r", "8192"])
            self.stuck(writer)
            for program in (writer, reader):
                before = ticks(program)
                time.sleep(0.6)  # what is measured is this time
                self.assertLess((ticks(program) - before) / os.sysconf("SC_CLK_TCK"), 0.2)
            writer.stop()
            reader.stop()

    def test_a_slow_reader_sets_the_pace(self):
        reader, writer = self.pair("98304", options=["-s", "4096", "-m", "4096"], server=["65536"],
                                   server_options=["-r", "4096"])
        self.assertEqual((writer.wait(), reader.wait()), (0, 0), writer.err + reader.err)
        for program, words in ((reader, RECEIVED), (writer, SENT)):
            said = summary(program, words)
            pace = int(said[0]) / float(said[-1] if words is RECEIVED else said[4])
            self.assertLess(pace, 65536 * 1.1)
            self.assertGreater(pace, 65536 * 0.6)  # a busy machine may be late, never early

    def test_64_mebibytes_at_full_speed_come_intact(self):
        reader, writer = self.pair("67108864")
        self.assertEqual((writer.wait(), reader.wait()), (0, 0), writer.err + reader.err)
        self.assertEqual(summary(writer, SENT)[:3], ("67108864", "512", "0"))
        self.assertEqual((summary(reader, RECEIVED)[0], summary(reader, RECEIVED)[2]), ("67108864", "intact"))

    def test_c_and_python_send_the_same_bytes(self):
        arrived = []
        peer = self.peer(lambda connection: arrived.append(kit.receive_all(connection)))
        for language in ("C", "Python"):
            writer = self.start([*self.command("client", language), "-m", "77777", "127.0.0.1", str(peer.port),
                                 "200000"])
            self.assertEqual(writer.wait(), 0)
        peer.close()
        self.assertEqual(len(arrived[0]), 200000)
        self.assertTrue(arrived[0] == arrived[1])
        self.assertFalse(arrived[0][:100000] == arrived[0][100000:])
        # damage and loss: the reader names the first byte that is wrong
        flipped = bytearray(arrived[0])
        flipped[150001] ^= 1
        for data, place in ((flipped, 150001), (arrived[0][:70000] + arrived[0][70100:], 70000)):
            reader = self.server()
            own = self.connect(reader)
            own.sendall(data)
            own.close()
            self.assertEqual(reader.wait(), 1)
            self.assertEqual(summary(reader, RECEIVED)[2], "damaged")
            found = re.search(r"^server: check 127\.0\.0\.1:\d+: byte (\d+) is not what was sent there$",
                              reader.err.decode(), re.M)
            self.assertTrue(place <= int(found[1]) < place + 16, found[0])  # bytes may be equal by chance

    def test_other_sizes(self):
        for total in ("0", "1", "65521", "131073"):
            reader, writer = self.pair(total)
            self.assertEqual((writer.wait(), reader.wait()), (0, 0), writer.err + reader.err)
            self.assertEqual((summary(writer, SENT)[0], summary(reader, RECEIVED)[0]), (total, total))

    def test_over_ipv6(self):
        reader = self.server(host="::1")
        writer = self.client(reader.port, "50000", host="::1")
        self.assertEqual((writer.wait(), reader.wait()), (0, 0), writer.err + reader.err)
        self.assertTrue(reader.out.startswith(b"listening on [::1]:"))

    def test_the_reader_is_killed_in_mid_stream(self):
        reader, writer = self.pair("9000000", options=["-s", "8192", "-m", "1000"], server=["1"])
        row = self.stuck(writer)
        reader.kill()
        self.assertEqual(writer.wait(), 1)
        said = writer.err.decode()
        self.assertRegex(said, r"(?m)^client: send 127\.0\.0\.1:\d+: (Connection reset by peer|Broken pipe)$")
        found = re.search(r"^handed to the kernel: (\d+) bytes, (-?\d+) of them never acknowledged;\n"
                          r"how many the server has read is unknown$", said, re.M)
        self.assertGreaterEqual(int(found[1]), row["bytes"])
        self.assertEqual(found[1], summary(writer, SENT)[0])
        if sys.platform.startswith("linux"):
            self.assertGreater(int(found[2]), 0)

    def test_the_reader_is_killed_when_all_was_handed_over(self):
        reader, writer = self.pair("20000", server=["1"])
        writer.until(lambda: rows(writer)[-1:] and rows(writer)[-1]["bytes"] == 20000, "everything handed over")
        reader.kill()
        self.assertEqual(writer.wait(), 1)
        self.assertRegex(writer.err.decode(), r"(?m)^client: recv 127\.0\.0\.1:\d+: Connection reset by peer$")
        self.assertIn("handed to the kernel: 20000 bytes, ", writer.err.decode())

    def test_the_writer_resets(self):
        reader = self.server()
        kit.reset(self.connect(reader))
        self.assertEqual(reader.wait(), 1)
        self.assertRegex(reader.err.decode(), r"(?m)^server: recv 127\.0\.0\.1:\d+: Connection reset by peer$")
        self.assertEqual(summary(reader, RECEIVED)[0], "0")

    def test_a_killed_writer_looks_like_one_that_was_done(self):
        reader, writer = self.pair("9000000000", server=["100000"], options=["-s", "8192", "-m", "1000"],
                                   server_options=["-r", "8192"])
        reader.until(lambda: rows(reader)[-1:] and rows(reader)[-1]["bytes"] > 0, "the first bytes")
        writer.kill()
        self.assertEqual(reader.wait(), 0)
        self.assertEqual(summary(reader, RECEIVED)[2], "intact")

    def test_one_transfer_and_a_second_client_is_refused(self):
        reader, writer = self.pair("9000000", server=["1"])
        writer.expect("seconds,")
        reader.expect("seconds,")
        with self.assertRaises(ConnectionRefusedError):
            kit.connect(reader.port)

    def test_signals_before_and_during_the_transfer(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            self.assertEqual(self.server().stop(number), 0)
            reader, writer = self.pair("9000000", options=["-s", "8192", "-m", "1000"], server=["1000"],
                                       server_options=["-r", "8192"])
            self.stuck(writer)
            self.assertEqual(reader.stop(number), 0)
            self.assertEqual(rows(reader)[-1]["bytes"], int(summary(reader, RECEIVED)[0]))
            self.assertEqual(writer.wait(), 1)  # the reader has gone

    @kit.linux
    def test_a_signal_just_before_recv_waits_ends_the_reader_with_its_words(self):
        reader = self.server(env=self.signal_before("recv"))
        self.connect(reader)  # and sends nothing
        self.assertEqual((reader.wait(), summary(reader, RECEIVED)[0]), (0, "0"))
        self.assertGreaterEqual(len(rows(reader)), 2)

    @kit.linux
    def test_a_signal_just_before_send_waits_ends_the_writer_with_its_words(self):
        size = str(2 ** 24)  # more than both buffers take
        with socket.create_server(("127.0.0.1", 0)) as unread:
            writer = self.start([*self.command("client"), "-m", size, "127.0.0.1", str(unread.getsockname()[1]), size],
                                env=self.signal_before("send"))
            self.assertEqual((writer.wait(), summary(writer, SENT)[0]), (0, "0"))
        self.assertGreaterEqual(len(rows(writer)), 2)

    def test_output_that_nobody_reads(self):
        end, gone = os.pipe()
        kit.close_reading(end, gone)
        reader = self.server()
        writer = self.client(reader.port, "10000", stdout=gone)
        os.close(gone)
        self.assertEqual((writer.wait(), reader.wait()), (1, 0))
        self.assertIn(f"client: write standard output: {os.strerror(errno.EPIPE)}\n", writer.err.decode())
        self.assertEqual(summary(reader, RECEIVED)[0], "10000")
        # nobody reads any more: the client says so at its end, a server serves on
        awake = threading.Event()
        peer = self.peer(lambda connection: awake.wait(kit.PATIENCE) and kit.receive_all(connection))
        end, gone = os.pipe()
        writer = self.client(peer.port, "1000", stdout=gone)
        self.assertTrue(kit.ready([end], kit.PATIENCE))
        kit.close_reading(end, gone)
        os.close(gone)
        awake.set()  # the last row comes after that
        self.assertEqual(writer.wait(), 1)
        self.assertIn(f"client: write standard output: {os.strerror(errno.EPIPE)}\n", writer.err.decode())
        end, gone = os.pipe()
        reader = self.start([*self.command("server"), "127.0.0.1", "0"], stdout=gone)
        self.assertTrue(kit.ready([end], kit.PATIENCE))
        port = int(os.read(end, 100).decode().rpartition(":")[2])
        kit.close_reading(end, gone)
        os.close(gone)
        writer = self.client(port, "10000")
        self.assertEqual((writer.wait(), reader.wait()), (0, 0), writer.err + reader.err)
        self.assertEqual(summary(reader, RECEIVED)[0], "10000")

    def test_a_closed_output_is_an_error_and_nothing_is_sent(self):
        for name in ("client", "framing_client"):
            argv = [*self.command(name), "127.0.0.1", "1"]  # a connect would be refused, and said
            status, out, err = self.run_program(["sh", "-c", 'exec "$@" >&-', "sh", *argv])
            self.assertEqual((status, out, err), (1, "", f"{name}: write standard output: Bad file descriptor\n"))

    def test_a_closed_standard_error_is_no_place_for_the_socket(self):
        for name in ("client", "framing_client"):
            port = str(self.server(name=name.replace("client", "server")).port)
            argv = ["sh", "-c", 'exec "$@" 2>&-', "sh", *self.command(name), "127.0.0.1", port]
            self.assertEqual(self.run_program(argv), (1, "", ""))

    def test_what_the_server_says_does_not_cost_the_transfer(self):
        arrived, handed_over = [], threading.Event()

        def play(connection):
            connection.sendall(b"hello")
            handed_over.wait(kit.PATIENCE)
            arrived.append(0)
            while received := connection.recv(65536):
                arrived[0] += len(received)
                connection.sendall(b"more")
        peer = self.peer(play)
        writer = self.client(peer.port, "3000000")  # about what Linux's send buffer holds
        writer.until(lambda: rows(writer)[-1:] and rows(writer)[-1]["bytes"] == 3000000, "everything handed over")
        handed_over.set()
        self.assertEqual(writer.wait(), 0, writer.err)
        peer.close()
        self.assertEqual(arrived, [3000000])

    def test_a_server_that_talks_without_end_is_left(self):
        def play(connection):
            kit.receive_all(connection)
            with contextlib.suppress(OSError):
                while True:
                    connection.sendall(b"and")
                    time.sleep(0.01)  # it need not be fast
        for name in ("client", "framing_client"):
            peer = self.peer(play)
            program = self.client(peer.port, name=name)
            self.assertEqual(program.wait(2 * kit.PATIENCE), 0, program.err)

    @kit.linux
    def test_a_pattern_too_long_for_memory_is_an_error(self):
        argv = [*kit.limited("-v 300000"), *self.command("client"), "-m", str(2**30), "127.0.0.1", "1"]
        self.assertEqual(self.run_program(argv), (1, "", f"client: malloc the pattern: {os.strerror(errno.ENOMEM)}\n"))

    if kit.SANITIZED:
        test_a_pattern_too_long_for_memory_is_an_error = None  # a sanitizer needs terabytes of addresses

    def test_zeros_before_a_number(self):
        reader, writer = self.pair("0" * 5000 + "5", server=["0" * 30])
        self.assertEqual((writer.wait(), reader.wait()), (0, 0), writer.err + reader.err)
        self.assertEqual(summary(reader, RECEIVED)[0], "5")

    def test_nobody_listens(self):
        with socket.socket() as own:
            own.bind(("127.0.0.1", 0))
            port = own.getsockname()[1]
            status, out, err = self.run_program([*self.command("client"), "127.0.0.1", str(port)])
        self.assertEqual((status, out), (1, ""))
        self.assertEqual(err, f"client: connect 127.0.0.1:{port}: {os.strerror(errno.ECONNREFUSED)}\n")

    def test_usage(self):
        here = ["127.0.0.1", "1"]
        bad = [["-x"], ["-s"], ["-s", "0"], ["-s", "-1"], ["-r", "x"], ["-n" + "q"], [*here, "-1"], [*here, "1.5"],
               [*here, ""], [*here, "99999999999999999999"], [*here, "1", "2"], [*here, "-n"], ["127.0.0.1", "99999"]]
        for name, wrong in (("client", [["-m", "0"], ["-m", "1x"], ["127.0.0.1", "0"]]),
                            ("server", [["-n"], ["-m", "5"]])):
            for argument in ("-h", "--help"):
                status, out, err = self.run_program([*self.command(name), argument])
                self.assertEqual((status, err), (0, ""))
                self.assertTrue(out.startswith(f"usage: {name} ["), out)
            usage = out
            self.assertLessEqual(max(map(len, usage.splitlines())), 80)
            for arguments in bad + wrong:
                self.assertEqual(self.run_program([*self.command(name), *arguments]), (2, "", usage), arguments)

    def check_frames(self, text, columns, call):
        """Assert what was drawn; return the frames, four lines each."""
        frames = [frame.split("\n") for frame in text[text.index("send queue"):].split("\033[4A")]
        for frame in frames:
            self.assertEqual((len(frame), frame[4]), (5, ""))
            lines = [line.strip("\r").replace("\033[K", "") for line in frame[:4]]
            self.assertNotIn("\033", "".join(lines))
            self.assertLess(max(map(len, lines)), columns)
            for line, name in zip(lines, ("send", "recv")):
                match = re.fullmatch(name + r" queue \[(#*)(\.*)\] +(\d+)/ *(\d+)", line)
                self.assertTrue(match, line)
                width, count, limit = len(match[1] + match[2]), int(match[3]), int(match[4])
                self.assertEqual(len(match[1]), min(-(-count * width // limit), width))
                self.assertEqual(len(line), columns - 1)
            self.assertRegex(lines[2], r"^\d+\.\d s, \d+ bytes, \d+\.\d\d MB/s$")
            self.assertRegex(lines[3], rf"^\d+ {call}s(, BLOCKED since \d+\.\d s)?$")
        return frames

    def test_bars_on_a_terminal(self):
        for columns in (40, 200):
            screens = {}
            for name in ("server", "client"):
                screens[name] = Terminal(columns)
            reader = self.start([*self.command("server"), "-r", "8192", "127.0.0.1", "0", "60000"],
                                stdout=screens["server"].side)
            screens["server"].handed_over()
            reader.until(lambda: b"\n" in screens["server"].drawn, "the listening line")
            port = re.match(rb"listening on 127\.0\.0\.1:(\d+)\r\n", screens["server"].drawn)[1].decode()
            writer = self.start([*self.command("client"), "-s", "8192", "127.0.0.1", port, "40000"],
                                stdout=screens["client"].side)
            screens["client"].handed_over()
            self.assertEqual((writer.wait(), reader.wait()), (0, 0), writer.err + reader.err)
            drawn = self.check_frames(screens["client"].text(), columns, "send")
            self.assertIn("BLOCKED since", "".join(sum(drawn, [])))
            self.assertGreater(max(frame[0].count("#") for frame in drawn), 0)
            self.assertIn("40000 bytes", drawn[-1][2])
            drawn = self.check_frames(screens["server"].text(), columns, "recv")
            self.assertGreater(max(frame[1].count("#") for frame in drawn), 0)
            self.assertNotIn("seconds,", screens["server"].drawn.decode())
            self.assertEqual(summary(writer, SENT)[0], "40000")

    def test_ctrl_c_leaves_a_whole_picture(self):
        screen = Terminal(80)
        reader = self.server("1")
        writer = self.client(reader.port, "9000000", stdout=screen.side)
        screen.handed_over()
        writer.until(lambda: screen.drawn.count(b"\033[4A") >= 2, "two redrawings")
        self.assertEqual(writer.stop(signal.SIGINT), 0)
        self.check_frames(screen.text(), 80, "send")
        self.assertLess(int(summary(writer, SENT)[0]), 9000000)


NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
WHOLE = "".join(f"  message {i}: {len(word)} bytes: {word}\n" for i, word in enumerate(NUMBERS, 1))
PLAIN = "".join(NUMBERS).encode()
BY_LENGTH = b"".join(struct.pack("!I", len(word)) + word.encode() for word in [*NUMBERS, ""])
BY_NEWLINE = b"".join(word.encode() + b"\n" for word in [*NUMBERS, ""])


class NoThread(kit.Case):
    """The Python programs, which cannot start the thread that waits for signals, or the one that watches."""

    lesson, language = LESSON, "Python"

    def test_the_writer_says_so_and_ends(self):
        for every, thread in (0, "signal"), (1, "watching"):
            port = self.peer(kit.receive_all).port
            status, _, err = self.run_program([*self.short_of_threads(every, "client"), "127.0.0.1", str(port)])
            self.assertEqual((status, err.splitlines()[3:]), (
                1, [f"client: pthread_create the {thread} thread: can't start new thread"]), err)

    def test_the_reader_says_so_and_ends(self):
        reader = self.start([*self.short_of_threads(1), "127.0.0.1", "0"])
        self.connect(reader)
        self.assertEqual((reader.wait(), bytes(reader.err).splitlines()[3:]), (
            1, [b"server: pthread_create the watching thread: can't start new thread"]), reader.err)


@kit.both
class Framing(demands.LastMoment):
    """Ten messages in a stream."""

    lesson, waits = LESSON, ("framing_server", "127.0.0.1", "0")

    def framing_server(self):
        return self.server(name="framing_server")

    def send(self, server, *streams):
        """Play the client: a connection for each stream."""
        for stream in streams:
            own = self.connect(server)
            own.sendall(stream)
            own.shutdown(socket.SHUT_WR)
            kit.receive_all(own)
            own.close()

    def test_merged_and_split_by_recv_and_whole_in_two_ways(self):
        for language in ("C", "Python"):
            server = self.framing_server()
            client = self.start([*self.command("framing_client", language), "127.0.0.1", str(server.port)])
            self.assertEqual((client.wait(), server.wait()), (0, 0), client.err + server.err)
            self.assertEqual(server.out.decode().split("\n", 1)[1],
                             "as recv gives them:\n"
                             "  recv 1: 16 bytes: onetwothreefourf\n"
                             "  recv 2: 16 bytes: ivesixseveneight\n"
                             "  recv 3: 7 bytes: nineten\n"
                             "  the end: 3 recvs; whether the client was done, nothing tells\n"
                             f"by length:\n{WHOLE}  the end: 10 messages\n"
                             f"by newline:\n{WHOLE}  the end: 10 messages\n")
            self.assertEqual(client.out.decode(), "sent 10 messages, as they are: 39 bytes\n"
                                                  "sent 10 messages, each behind its length: 83 bytes\n"
                                                  "sent 10 messages, each with a newline: 50 bytes\n")

    def test_what_the_client_puts_on_the_wire(self):
        arrived = []
        peer = self.peer(lambda connection: arrived.append(kit.receive_all(connection)))
        status = self.client(peer.port, name="framing_client").wait()
        peer.close()
        self.assertEqual((status, arrived), (0, [PLAIN, BY_LENGTH, BY_NEWLINE]))

    def test_what_the_server_says_does_not_make_the_end_a_reset(self):
        ends = []

        def play(connection):
            connection.sendall(b"hello")
            kit.receive_all(connection)
            connection.sendall(b"bye")
            ends.append(kit.ready([connection], 0.3, 0))  # a reset would wake it, asked or not
        peer = self.peer(play)
        client = self.client(peer.port, name="framing_client")
        self.assertEqual(client.wait(), 0, client.err)
        peer.close()
        self.assertEqual(ends, [[]] * 3)

    @kit.linux
    def test_a_stop_or_a_signal_while_it_waits_for_the_end_changes_nothing(self):
        came, disturbed = threading.Event(), threading.Event()

        def play(connection):
            kit.receive_all(connection)
            came.set()
            disturbed.wait(kit.PATIENCE)
        client = self.client(self.peer(play).port, name="framing_client")
        self.assertTrue(came.wait(kit.PATIENCE))
        kit.disturb(client)
        disturbed.set()
        self.assertEqual((client.wait(), bytes(client.err)), (0, b""))

    def test_a_writer_that_leaves_too_early_is_noticed(self):
        for stream, whole in ((b"", 0), (BY_LENGTH[:6], 0), (BY_LENGTH[:14], 2), (BY_LENGTH[:16], 2),
                              (BY_LENGTH[:-4], 10)):
            server = self.framing_server()
            self.send(server, PLAIN, stream)
            self.assertEqual(server.wait(), 1)
            self.assertRegex(server.err.decode(), rf"^framing_server: recv 127\.0\.0\.1:\d+: the client left "
                                                  rf"after {whole} whole messages\n$")
        for stream, whole in ((b"", 0), (BY_NEWLINE[:6], 1), (BY_NEWLINE[:-1], 10)):
            server = self.framing_server()
            self.send(server, PLAIN, BY_LENGTH, stream)
            self.assertEqual(server.wait(), 1)
            self.assertIn(f"after {whole} whole messages\n", server.err.decode())

    def test_the_plain_way_cannot_notice_it(self):
        server = self.framing_server()
        self.send(server, PLAIN[:20], BY_LENGTH, BY_NEWLINE)
        self.assertEqual(server.wait(), 0)
        self.assertIn("  recv 2: 4 bytes: ives\n  the end: 2 recvs; whether the client was done, nothing tells\n",
                      server.out.decode())

    def test_a_message_that_is_too_long_is_refused(self):
        for streams in ([struct.pack("!I", 1025)], [b"\xff\xff\xff\xff"], [BY_LENGTH, b"x" * 1030],
                        [BY_LENGTH, b"x" * 1025 + b"\n\n"]):
            server = self.framing_server()
            self.send(server, PLAIN, *streams[:-1])
            self.connect(server).sendall(streams[-1])  # and it stays: no end of file helps the server
            self.assertEqual(server.wait(), 1)
            self.assertRegex(server.err.decode(), "^framing_server: recv .*: a message of more than 1024 bytes\n$")
        server = self.framing_server()
        self.send(server, PLAIN, struct.pack("!I", 1024) + b"y" * 1024 + bytes(4), b"x" * 1024 + b"\n\n")
        self.assertEqual(server.wait(), 0)

    def test_bytes_in_the_middle_of_a_length(self):
        server = self.framing_server()
        self.send(server, PLAIN)
        own = self.connect(server)
        for i in range(len(BY_LENGTH)):
            own.sendall(BY_LENGTH[i:i + 1])
        kit.receive_all(own)
        self.send(server, b"\x1b[31m\n\n")
        self.assertEqual(server.wait(), 0)
        self.assertIn("message 10: 3 bytes: ten\n", server.out.decode())
        self.assertIn("message 1: 5 bytes: \\x1b[31m\n", server.out.decode())

    def test_usage_and_signals(self):
        for name in ("framing_server", "framing_client"):
            status, usage, err = self.run_program([*self.command(name), "--help"])
            self.assertEqual((status, err), (0, ""))
            self.assertTrue(usage.startswith(f"usage: {name} [HOST [PORT]]"))
            for arguments in (["-x"], ["h", "65536"], ["h", "1", "2"]):
                self.assertEqual(self.run_program([*self.command(name), *arguments]), (2, "", usage))
        self.assertEqual(self.framing_server().stop(signal.SIGTERM), 0)


@kit.both
class Addresses(demands.TCPAddresses):
    """A name with several addresses."""

    lesson, arguments = LESSON, ("1000",)


@kit.both
class FramingAddresses(demands.TCPAddresses):
    """The same of the framing pair."""

    lesson, programs = LESSON, ("framing_server", "framing_client")


class Flood(kit.Case):
    """The contrast over UDP."""

    lesson = LESSON

    def flood(self, *args):
        """Run it; return [sent, refused, received, lost], the numbers that it prints."""
        status, out, err = self.run_program([*self.command("udp_flood"), *args])
        self.assertEqual((status, err), (0, ""))
        found = re.search(r"^sent (\d+) datagrams of 1024 bytes, (\d+) refused;.*\nreceived (\d+): (\d+) while .*, "
                          r"(\d+) that .*\nlost (\d+)", out, re.M)
        numbers = list(map(int, found.groups()))
        self.assertEqual(numbers[2], numbers[3] + numbers[4])
        return [numbers[0], numbers[1], numbers[2], numbers[5]]

    def test_what_finds_the_buffer_full_is_dropped_and_no_call_fails(self):
        sent, refused, received, lost = self.flood("20000")
        self.assertEqual(sent + refused, 20000)
        self.assertEqual(received + lost, sent)
        self.assertGreater(received, 1000)
        self.assertGreater(lost, 1000)

    @kit.linux
    def test_a_strangers_datagrams_are_not_received(self):
        end, full = os.pipe()
        self.addCleanup(os.close, end)
        fill = 0
        os.set_blocking(full, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                fill += os.write(full, bytes(4096))
        os.set_blocking(full, True)
        program = self.start([*self.command("udp_flood"), "10"], stdout=full)  # it waits before its first send
        os.close(full)
        inodes = kit.eventually(lambda: kit.states(program.pid) == {"S"} and kit.sockets(program.pid) == 2 and [
            link[8:-1] for link in (os.readlink(f"/proc/{program.pid}/fd/{number}") for number in (3, 4))], "its sockets")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for line in pathlib.Path("/proc/net/udp").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[9] in inodes:
                    for strange in b"", bytes(4), bytes(8):
                        stranger.sendto(strange, ("127.0.0.1", int(fields[1].partition(":")[2], 16)))
        kit.receive_exactly(types.SimpleNamespace(recv=lambda count: os.read(end, count)), fill)
        said = kit.receive_all(types.SimpleNamespace(recv=lambda count: os.read(end, count))).decode()
        self.assertEqual((program.wait(), bytes(program.err)), (0, b""))
        self.assertIn("received 10: ", said)

    def test_output_into_a_pipe_that_closes_is_an_error(self):
        end, gone = os.pipe()
        kit.close_reading(end, gone)
        program = self.start([*self.command("udp_flood"), "10"], stdout=gone)
        os.close(gone)
        self.assertEqual((program.wait(), bytes(program.err)), (
            1, f"udp_flood: write standard output: {os.strerror(errno.EPIPE)}\n".encode()))

    def test_few_datagrams_are_not_lost(self):
        self.assertEqual(self.flood("10"), [10, 0, 10, 0])

    def test_usage(self):
        usage = self.run_program([*self.command("udp_flood"), "-h"])[1]
        self.assertTrue(usage.startswith("usage: udp_flood [DATAGRAMS]"))
        for arguments in (["0"], ["x"], ["1", "2"]):
            self.assertEqual(self.run_program([*self.command("udp_flood"), *arguments]), (2, "", usage))


class Plot(kit.Case):
    """The picture of a run."""

    script = str(kit.ROOT / "scripts" / "plot")

    @kit.needs("gnuplot")
    def test_draws_a_run_as_svg_and_png(self):
        with tempfile.TemporaryDirectory() as folder:
            program = self.start([sys.executable, self.script, folder])
            status, out, err = program.wait(60), program.out.decode(), program.err.decode()
            self.assertEqual((status, err), (0, ""))
            self.assertEqual(out.splitlines(), ["plot: a run of 3 s ...", f"{folder}/buffers.svg", f"{folder}/buffers.png"])
            drawn = pathlib.Path(folder, "buffers.svg").read_text()
            for words in ("send queue (client)", "receive queue (server)", "taken by send", "given by recv",
                          "seconds", "KB in the queue", "MB a second", "filling", "draining"):
                self.assertIn(words, drawn)
            self.assertTrue(pathlib.Path(folder, "buffers.png").read_bytes().startswith(b"\x89PNG\r\n"))
            for name in ("client.csv", "server.csv"):
                table = list(csv.DictReader(pathlib.Path(folder, name).read_text().splitlines()))
                self.assertEqual(table[-1]["bytes"], "2400000")

    def test_says_how_to_install_gnuplot(self):
        with tempfile.TemporaryDirectory() as empty:
            done = subprocess.run([sys.executable, self.script, empty], env={**os.environ, "PATH": empty},
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=kit.PATIENCE)
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (1, b"", b"plot: gnuplot is missing: install gnuplot with your system's package manager\n"))
