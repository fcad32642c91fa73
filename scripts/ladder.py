"""Draws ordered socket calls (calls.py): as a text ladder, as an SVG picture, or as a plain list."""
import itertools
import re
import struct
import unicodedata
from xml.sax.saxutils import escape

from calls import ACCEPTS, POLLS, RECVS, SENDS, port_of, unquote

SIDE, LANE = 42, 16                         # columns: each side's text, and the arrows between them
LITERAL = 24                                # columns of received or sent bytes shown


def width(text):
    """Columns that text takes on a terminal."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
               for c in text)


def pieces(data):
    """data as a C string literal shows it, a character or an escape each."""
    named = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", '"': '\\"'}
    return [named.get(c) or ("".join("\\x%02x" % b for b in c.encode("utf-8", "surrogateescape"))
                             if unicodedata.category(c)[0] == "C" else c)
            for c in data.decode("utf-8", "surrogateescape")]


def literal(data, cut, room):
    """data as a C string literal in at most room columns, `...` after it when there is more."""
    shown = pieces(data)
    room -= 2
    if cut or sum(map(width, shown)) > room:
        cut, room = True, room - 3
        while sum(map(width, shown)) > room:
            shown.pop()
    return '"%s"%s' % ("".join(shown), "..." if cut else "")


class Names:
    """How ports are shown: as they are, or (steady) the server's by its default and the clients' as 40001,
    40002, ... so that two runs of the same conversation read the same."""

    def __init__(self, readers, steady, default):
        self.ports, self.default = {}, str(default or 20000)
        self.steady = steady
        if not steady:
            return
        for sock in readers[0].sockets:
            asked = [c.address for c in sock.calls if c.name == "bind"]
            if sock.local and asked and port_of(asked[0]) == "0":
                self.ports.setdefault(port_of(sock.local), self.default)
        for reader in readers:
            for sock in reader.sockets:
                if sock.local and sock.accept is None and re.match(r"[\d\[]", sock.local):
                    known = any(c.name == "bind" and port_of(c.address) != "0" for c in sock.calls)
                    if not known and port_of(sock.local) not in self.ports:
                        self.ports[port_of(sock.local)] = str(40001 + sum(
                            1 for name in self.ports.values() if name > "40000" and len(name) == 5
                            and name != self.default))

    def __call__(self, text):
        if not self.steady:
            return text
        text = re.sub(r"(\d+\.\d+\.\d+\.\d+:|\]:)(\d+)\b",
                      lambda m: m.group(1) + self.ports.get(m.group(2), m.group(2)), text)
        return text

    def command(self, text):
        """A command line: the ports in it as they are shown elsewhere."""
        text = re.sub(r"\b\d+\b", lambda m: self.ports.get(m.group(), m.group()), text)
        return re.sub(r"(127\.0\.0\.1|::1) 0\b", r"\1 " + self.default, text) if self.steady else text

    def bind(self, call):
        """The address given to bind; port 0 (steady) as the name of the port that the kernel picked."""
        if self.steady and call.sock.local and re.match(r"[\d\[].*:0$", call.address or ""):
            return self(call.address[:-1] + port_of(call.sock.local))
        return self(call.address or "?")


# --- a call in words ---------------------------------------------------------------------------

def option(call):
    """The value that setsockopt was given, in words."""
    value = call.args[3] if len(call.args) > 3 else "?"
    name = re.sub(r"_(OLD|NEW)$", "", call.args[2])
    time = re.search(r"tv_sec=(\d+), tv_usec=(\d+)", value)
    raw = re.match(r'"((?:\\.|[^"\\])*)"', value)
    if time or raw and name in ("SO_RCVTIMEO", "SO_SNDTIMEO"):
        if time:
            seconds = int(time.group(1)) + int(time.group(2)) / 1e6
        else:
            data = unquote(value)[0].ljust(16, b"\0")
            seconds, micros = struct.unpack("=qq", data[:16])
            seconds += micros / 1e6
        return name, "%g s" % seconds
    return name, value.strip("[]")


def milliseconds(count):
    """A time limit in words; what is left of one is rounded up, so that it does not tell of the clock."""
    if count < 0:
        return "no limit"
    return "%d ms" % (-(-round(count) // 100) * 100 if count > 100 else round(count))


def polled(call):
    """The sockets and the limit of a poll or select."""
    args, events = call.args, dict(re.findall(r"fd=(\d+)[^{}]*?, events=([A-Z|]+)", call.args[0]))
    parts = ["%d %s" % (fd, events[str(fd)]) if str(fd) in events else str(fd) for fd, _ in call.socks]
    limit = args[2] if call.name == "poll" else args[4] if "select" in call.name and len(args) > 4 else args[-1]
    if call.name == "ppoll":
        limit = args[2]
    time = re.search(r"tv_sec=(\d+), tv_n?u?sec=(\d+)", limit)
    if time:
        scale = 1e6 if "nsec" in limit else 1e3
        limit = milliseconds(int(time.group(1)) * 1000 + int(time.group(2)) / scale)
    elif re.match(r"-?\d+$", limit):
        limit = milliseconds(int(limit))
    else:
        limit = "no limit"
    name = "select" if call.name == "pselect6" else call.name      # select(2) is pselect6 to the kernel
    return "%s(%s, %s)" % (name, ", ".join(parts), limit)


def head(call, names):
    """The call with its arguments, as a C programmer wrote it (send and recv are sendto and recvfrom to
    the kernel)."""
    args, name, fd = call.args, call.name, call.fd
    if name == "exited":
        code = re.match(r"exited with (\d+)", call.outcome)
        return "exit %s" % code.group(1) if code else call.outcome
    if name == "socket":
        return "socket(%s, %s)" % (args[0], re.sub(r"\|?SOCK_CLOEXEC", "", args[1]))
    if name == "socketpair":
        return "socketpair(%s, %s)" % (args[0], re.sub(r"\|?SOCK_CLOEXEC", "", args[1]))
    if name == "bind":
        return "bind(%s, %s)" % (fd, names.bind(call))
    if name == "connect":
        return "connect(%s, %s)" % (fd, names(call.address or "?"))
    if name in ACCEPTS:
        return "%s(%s)" % (name, fd)
    if name in POLLS:
        return polled(call)
    if name == "setsockopt":
        return "setsockopt(%s, %s, %s)" % ((fd,) + option(call))
    if name in SENDS | RECVS:
        flags = [arg for arg in args[3:4] if arg != "0" and name in ("sendto", "recvfrom")]
        if name in ("sendmsg", "recvmsg") and args[-1] != "0":
            flags = [args[-1]]
        size = re.findall(r"iov_len=(\d+)", " ".join(args))
        size = str(sum(map(int, size))) if size else (args[2] if len(args) > 2 else "?")
        if name in ("sendto", "recvfrom") and args[4:5] == ["NULL"]:
            name = name[:4]
        parts = [str(fd), size] + flags
        if call.name in SENDS:
            parts.insert(1, literal(call.data, call.cut, LITERAL) if call.name != "sendfile" else "...")
            if call.address:
                parts.append(names(call.address))
        return names("%s(%s)" % (name, ", ".join(parts)))
    return names("%s(%s)" % (name, ", ".join([str(fd)] + args[1:])))


def tail(call, names):
    """What the call answered, as words that are not broken."""
    if call.name == "exited":
        return ["(closes %s)" % ", ".join(map(str, call.args))] if call.args else []
    if call.t1 is None:
        return ["waits"] if call.ret is None else []
    if call.errno:
        return ["= -1 " + call.errno]
    words = ["= %s" % call.ret]
    if call.name == "socketpair":
        words.append("(%s)" % ", ".join(str(fd) for fd, _ in call.socks))
    if call.name in ACCEPTS and call.new and re.match(r"[\d\[]", call.new.remote or ""):
        words.append("from " + names(call.new.remote))
    if call.name in POLLS and call.ret:
        found = re.findall(r"fd=(\d+)[^{}]*?, revents=([A-Z|]+)", call.outcome)
        words += ["(%s)" % ", ".join("%s %s" % pair for pair in found)] if found else []
    if call.name in RECVS:
        if call.ret or call.sock.kind == "dgram":
            words.append(names(literal(call.data, call.cut, LITERAL)))
        else:
            words.append("(end)")
        if call.note:
            words.append(call.note)
        if call.name != "read" and call.address:
            words.append("from " + names(call.address))
    return words


def wrapped(words, room):
    """words in lines of at most room columns, the later ones indented by two."""
    lines = [""]
    for word in words:
        gap = " " if lines[-1].strip() else ""
        if lines[-1].strip() and width(lines[-1] + gap + word) > room:
            lines.append("  ")
            gap = ""
        while width(lines[-1] + gap + word) > room:
            fits = room - width(lines[-1] + gap)
            cut = max(i for i in range(len(word) + 1) if width(word[:i]) <= fits)
            spaces = [at.end() for at in re.finditer(r"(?<=.) (?!m?s\b)", word) if at.start() < cut]  # 5 s: one word
            cut = spaces[-1] if spaces else cut
            lines[-1] += gap + word[:cut].rstrip()
            lines.append("  ")
            word, gap = word[cut:], ""
        lines[-1] += gap + word
    return lines


# --- rows and arrows ---------------------------------------------------------------------------

class Row:
    """One line of the ladder: a call, or its entry or return when it had to wait."""

    def __init__(self, node, tag, names):
        self.call, self.role, self.tag = node.call, node.role, tag
        self.left = node.call.actor == 0
        call = node.call
        if self.role == "enter":
            self.words = [head(call, names), "waits"]
        elif self.role == "return":
            self.words = ["..." + re.sub(r"\((\d*).*", r"(\1)", head(call, names), flags=re.S)]
            self.words += tail(call, names)
        else:
            self.words = [head(call, names)] + tail(call, names)
        self.line, self.extra = 0, []


class Arrow:
    """From the row of what was sent to the rows of the calls that took it."""

    def __init__(self, start, ends, label, to_left):
        self.start, self.ends, self.label, self.to_left = start, ends, label, to_left


def tags(readers, calls):
    """{(actor, thread): what tells it apart}, empty where there is only one."""
    seen = sorted({(c.actor, c.thread) for c in calls})
    clients = len({actor for actor, _ in seen if actor}) > 1
    out = {}
    for actor, thread in seen:
        parts = ["c%d" % actor] if actor and clients else []
        if sum(1 for a, _ in seen if a == actor) > 1:
            last = readers[actor].pools.get(thread)
            parts.append("t%d" % thread + ("-t%d" % last if last else ""))
        out[actor, thread] = ".".join(parts)
    return out


def span(call):
    return "%d" % call.span[0] if call.span[0] == call.span[1] else "%d-%d" % call.span


class Ladder:
    """The rows and arrows of one conversation; text() and svg() draw them."""

    def __init__(self, readers, calls, nodes, names, title, heads):
        self.title, self.heads = title, heads
        tag = tags(readers, calls)
        self.tags = set(tag.values()) - {""}
        self.rows = [Row(node, tag[node.call.actor, node.call.thread], names) for node in nodes]
        self.first, self.last = {}, {}
        for i, row in enumerate(self.rows):
            self.first.setdefault(row.call, i)
            self.last[row.call] = i
        self.arrows, self.lost = [], []
        self.stopped = any(c.actor == 0 and c.t1 is None and readers[0].stopped for c in calls)
        self.ranges = False
        for i, row in enumerate(self.rows):
            if self.first[row.call] == i:
                self.add_arrow(i, row)

    def add_arrow(self, i, row):
        """The arrow that starts in row i, if its call caused anything on the other side."""
        call, ends, labels = row.call, [], set()
        for effect in call.effects:
            if effect not in self.last or (effect.actor == 0) == row.left or effect.name in POLLS:
                continue
            label = next((text for cause, text in effect.causes if cause is call), "")
            if label == "" and effect.name not in SENDS:
                continue
            ends.append(self.last[effect])
            labels.add(label)
        if not ends:
            if call.name in SENDS and not call.effects and call.ret is not None and not call.errno and \
                    (call.ret or call.sock.kind == "dgram"):
                self.lost.append(i)
            return
        label = next((text for text in labels if text), "")
        if call.span:
            label = "" if call.sock.kind != "stream" else span(call)
        self.arrows.append(Arrow(i, sorted(ends), label, not row.left))

    def merged_or_split(self, row):
        """The bytes that a recv took, when they are not exactly one send's: text, else None."""
        call = row.call
        sends = [cause for cause, label in call.causes if label is None]
        if row.role == "enter" or not sends or not call.span:
            return None
        if len(sends) == 1 and sends[0].span == call.span:
            return None
        return span(call)

    # --- as text ---

    def text(self, ascii_only=False, columns=2 * SIDE + LANE):
        """The ladder as lines of at most so many columns; of 64 where there are fewer."""
        self.side = min(SIDE, max(24, (columns - LANE) // 2))
        for row in self.rows:
            row.extra = []
        homeless = True
        while homeless:                     # again, with the labels that found no place as words
            body = self.layout()
            lane = Lane(len(body))
            homeless = self.draw(lane, body)
            for row, text in homeless:
                row.extra.append(text)
        lines = self.title_lines()
        for i, (row, part) in enumerate(body):
            left, right = (part, "") if row.left else ("", part)
            lines.append((left + " " * (self.side - width(left)) + lane.line(i) + right).rstrip())
        lines += self.legend()
        if ascii_only:
            lines = [line.translate(str.maketrans("─│┌┐└┘├┤┬┴┼┊", "-|+++++++++:")) for line in lines]
        return "\n".join(lines) + "\n"

    def layout(self):
        """The lines of the two sides as (row, text); each row is told where it stands."""
        body = []
        for row in self.rows:
            row.line = len(body)
            indent = " " * (width(row.tag) + 1) if row.tag else ""
            texts = wrapped(row.words + row.extra, self.side - len(indent))
            body += [(row, (row.tag + " " if row.tag and j == 0 else indent) + part)
                     for j, part in enumerate(texts)]
        return body

    def title_lines(self):
        lines = [self.title, ""] if self.title else []
        left, right = (list(side) for side in self.heads)
        if width(left[0]) > self.side or width(right[0]) > self.side:
            lines += [fitted(left.pop(0), 2 * self.side + LANE), fitted(right.pop(0), 2 * self.side + LANE)]
        for one, two in itertools.zip_longest(left, right, fillvalue=""):
            one, two = fitted(one, self.side), fitted(two, self.side)
            lines.append((one + " " * (self.side + LANE - width(one)) + two).rstrip())
        return lines + ["─" * self.side + " " * LANE + "─" * self.side]

    def notes(self):
        """What the marks in the ladder mean."""
        notes = []
        if any(re.search(r"t\d", tag) for tag in self.tags):
            notes.append("t1, t2: threads")
        notes += ["%s: threads that all wait in this call to the end" % tag for tag in sorted(self.tags)
                  if "-t" in tag]
        if any(tag.startswith("c") for tag in self.tags):
            notes.append("c1, c2: clients")
        if self.ranges:
            notes.append("0-3: bytes 0 to 3 of that direction's stream")
        if self.lost:
            notes.append("x: never received")
        if self.stopped:
            notes.append("the server still waited when trace ended it")
        return ["%s%s" % (note, ";" if note != notes[-1] else "") for note in notes]

    def legend(self):
        notes = self.notes()
        return ["", *wrapped(notes, 2 * self.side + LANE - 2)] if notes else []

    def draw(self, lane, body):
        """Puts waits, arrows and their labels into the lane; returns (row, text) of the labels that found
        no place there."""
        for call, first in self.first.items():
            if self.rows[first].role == "enter":
                left = self.rows[first].left
                for line in range(self.rows[first].line + 1, self.rows[self.last[call]].line):
                    if body[line][0].left != left or len(self.tags) < 2:
                        lane.wait(line, left)
        labels = [(row, self.merged_or_split(row)) for row in self.rows if self.merged_or_split(row)]
        for arrow in self.arrows:
            ends = [self.rows[i].line for i in arrow.ends]
            start = self.rows[arrow.start]
            lane.arrow(lane.track(start.line, max(ends)), start.line, ends, arrow.to_left)
            labels.append((start, arrow.label))
        for i in self.lost:
            lane.lost(self.rows[i].line, self.rows[i].left)
            if self.rows[i].call.span:
                labels.append((self.rows[i], span(self.rows[i].call)))
        homeless = []
        for row, text in labels:
            is_range = re.match(r"\d+(-\d+)?$", text) is not None
            self.ranges = self.ranges or is_range
            if text and not row.extra and not lane.label(row.line, text) and is_range:
                homeless.append((row, "bytes " + text))
        return homeless

    # --- as a picture ---

    def svg(self):
        """The ladder as an SVG document, for light and dark, with its text as the description."""
        left_x, right_x, step, y = 366, 566, 17, 70
        out, places = [], []
        for row in self.rows:
            y += 9
            taken = self.merged_or_split(row)
            lines = wrapped(row.words + (["bytes " + taken] if taken else []),
                            SIDE - (len(row.tag) + 1 if row.tag else 0))
            places.append(y + 9)
            for j, part in enumerate(lines):
                tag = '<tspan class="tag">%s</tspan> ' % escape(row.tag) if row.tag and j == 0 else ""
                x = 24 if row.left else right_x + 16
                indent = (len(row.tag) + 1) * 7.8 if row.tag and j else 0
                out.append('<text class="call" x="%g" y="%g" xml:space="preserve">%s%s</text>'
                           % (x + indent, y + 13, tag, escape(part)))
                y += step
        bottom = y + 16
        self.ranges = any(re.match(r"\d", arrow.label) for arrow in self.arrows)
        legend = wrapped(["a bar: the call waits" + ";" * bool(self.notes())] + self.notes(), 110)
        out += ['<text class="where" x="24" y="%d">%s</text>' % (bottom + 22 + 16 * i, escape(line))
                for i, line in enumerate(legend)]
        marks = ['<path class="life" d="M%d 62V%d"/>' % (x, bottom) for x in (left_x, right_x)]
        for call, first in self.first.items():
            row = self.rows[first]
            waiting = call.t1 is None and row.role == "whole" and call.name != "exited"
            if row.role == "enter" or waiting:
                lanes = sorted({(r.call.actor, r.call.thread) for r in self.rows if r.left == row.left})
                beside = 7 * min(lanes.index((call.actor, call.thread)), 6)     # a bar for each thread
                x = left_x - 3 + beside if row.left else right_x - 3 - beside
                end = bottom if waiting else places[self.last[call]]
                marks.append('<rect class="wait" x="%d" y="%d" width="6" height="%d" rx="3"/>'
                             % (x, places[first], end - places[first]))
        for arrow in self.arrows:
            x1, x2 = (right_x, left_x) if arrow.to_left else (left_x, right_x)
            for i in arrow.ends:
                side = "in" if arrow.to_left else "out"
                tip = x2 + (8 if arrow.to_left else -8)
                marks.append('<path class="arrow %s" d="M%d %dL%d %d" marker-end="url(#%s)"/>'
                             % (side, x1, places[arrow.start], tip, places[i], side))
            label_x, label_y = (x1 * 2 + x2) / 3, (places[arrow.start] * 2 + places[arrow.ends[0]]) / 3
            if arrow.label:
                marks.append('<text class="label" x="%g" y="%g">%s</text>'
                             % (label_x, label_y - 4, escape(arrow.label)))
        for i in self.lost:
            x, way = (left_x, 1) if self.rows[i].left else (right_x, -1)
            marks.append('<path class="arrow" d="M%d %dh%dm-5 -5l10 10m0 -10l-10 10"/>'
                         % (x, places[i], 40 * way))
        heads = []
        for x, side in ((24, self.heads[0]), (right_x + 16, self.heads[1])):
            heads += ['<text class="%s" x="%d" y="%d">%s</text>'
                      % ("head" if i == 0 else "where", x, 36 + 16 * i, escape(fitted(text, SIDE)))
                      for i, text in enumerate(side[:2])]
        told = "\n".join("%s%s: %s" % ("server" if row.left else "client", " " + row.tag if row.tag else "",
                                       " ".join(row.words)) for row in self.rows)
        return SVG % dict(width=932, height=bottom + 22 + 16 * len(legend), title=escape(self.title or "Socket calls"),
                          desc=escape(told), body="\n".join(heads + marks + out))


# colours stand in plain rules, not in var(): what slides are made with knows no custom properties
SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %(width)d %(height)d" width="%(width)d" \
height="%(height)d" role="img" aria-labelledby="title desc">
<title id="title">%(title)s</title>
<desc id="desc">%(desc)s</desc>
<style>
.back { fill: #ffffff; }
text { font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: 13px; fill: #1c2733; }
.head { font-weight: bold; } .where, .tag { fill: #66727f; }
.life { stroke: #66727f; fill: none; stroke-width: 1.5; }
.wait { fill: #e3b341; }
.arrow { stroke: #66727f; stroke-width: 1.8; fill: none; }
.in { stroke: #0b62c4; } .out { stroke: #b3401a; } .tip-in { fill: #0b62c4; } .tip-out { fill: #b3401a; }
.label { font-size: 11px; text-anchor: middle; stroke: #ffffff; stroke-width: 4px; paint-order: stroke; }
@media (prefers-color-scheme: dark) {
.back { fill: #11161d; } text { fill: #e6ebf1; } .where, .tag { fill: #93a0ae; } .wait { fill: #b08a2e; }
.life, .arrow { stroke: #93a0ae; } .label { stroke: #11161d; }
.in { stroke: #6cb2ff; } .out { stroke: #ff9a6b; } .tip-in { fill: #6cb2ff; } .tip-out { fill: #ff9a6b; } }
</style>
<defs>
<marker id="in" viewBox="0 0 8 8" refX="0" refY="4" markerWidth="9" markerHeight="9" \
markerUnits="userSpaceOnUse" orient="auto"><path class="tip-in" d="M0 0L8 4L0 8z"/></marker>
<marker id="out" viewBox="0 0 8 8" refX="0" refY="4" markerWidth="9" markerHeight="9" \
markerUnits="userSpaceOnUse" orient="auto"><path class="tip-out" d="M0 0L8 4L0 8z"/></marker>
</defs>
<rect class="back" width="100%%" height="100%%"/>
%(body)s
</svg>
"""


def fitted(text, room):
    """text cut to room columns."""
    while width(text) > room:
        text = text[:-4] + "..." if text.endswith("...") else text[:-3] + "..."
    return text


class Lane:
    """The columns between the two sides, drawn with box characters."""

    BOX = {0: " ", 1: "─", 2: "─", 3: "─", 4: "│", 8: "│", 12: "│", 10: "┌", 9: "┐", 6: "└", 5: "┘",
           14: "├", 13: "┤", 11: "┬", 7: "┴", 15: "┼"}
    LEFT, RIGHT, UP, DOWN = 1, 2, 4, 8
    TRACKS = (7, 9, 5, 11, 3, 8, 6, 10, 4, 12, 2, 13)

    def __init__(self, count):
        self.bits = [[0] * LANE for _ in range(count)]
        self.over = [{} for _ in range(count)]
        self.taken = []                     # (column, first line, last line)

    def wait(self, line, left):
        """The dots beside a side of which a call waits."""
        self.over[line].setdefault(0 if left else LANE - 1, "┊")

    def track(self, first, last):
        """A column that is free from first to last line; None when there is none."""
        for column in self.TRACKS:
            if all(c != column or last < a or b < first for c, a, b in self.taken):
                self.taken.append((column, first, last))
                return column
        return None

    def across(self, line, a, b):
        for column in range(min(a, b), max(a, b) + 1):
            self.bits[line][column] |= (self.LEFT if column > min(a, b) else 0) | \
                (self.RIGHT if column < max(a, b) else 0)

    def arrow(self, column, start, ends, to_left):
        """The line from the sender's edge, down the track, to each receiver's edge."""
        source, target = (LANE - 2, 1) if to_left else (1, LANE - 2)
        stub = column if column is not None else (LANE - 6 if to_left else 5)
        self.across(start, source, stub)
        for end in ends:
            self.across(end, target, column if column is not None else (5 if to_left else LANE - 6))
            self.over[end][target] = "<" if to_left else ">"
        if column is not None:
            for line in range(start, max(ends) + 1):
                self.bits[line][column] |= (self.UP if line > start else 0) | \
                    (self.DOWN if line < max(ends) else 0)

    def lost(self, line, left):
        source, stop = (1, 5) if left else (LANE - 2, LANE - 6)
        self.across(line, source, stop)
        self.over[line][stop] = "x"

    def label(self, line, text):
        """Writes text over a stretch of horizontal line that has a dash left on both sides; False when
        there is none."""
        row = self.bits[line]
        free = [row[c] == 3 and c not in self.over[line] for c in range(LANE)]
        for start in range(1, LANE - len(text)):
            if all(free[start:start + len(text)]):
                room = start
                while room + len(text) < LANE and all(free[room:room + len(text)]):
                    room += 1
                start = (start + room - 1) // 2
                for i, c in enumerate(text):
                    self.over[line][start + i] = c
                return True
        return False

    def line(self, i):
        return "".join(self.over[i].get(c, self.BOX[self.bits[i][c]]) for c in range(LANE))


# --- as a list ---------------------------------------------------------------------------------

def listed(readers, calls, names):
    """Each side's calls with what they answered, one a line, thread by thread: what does not depend on
    who was faster."""
    tag = tags(readers, calls)
    lines = []
    for actor, thread in sorted({(c.actor, c.thread) for c in calls}):
        who = "server" if actor == 0 else "client"
        if tag[actor, thread]:
            who += " " + tag[actor, thread]
        for call in sorted((c for c in calls if (c.actor, c.thread) == (actor, thread)), key=lambda c: c.t0):
            lines.append("%s: %s" % (who, " ".join([head(call, names)] + tail(call, names))))
    return "\n".join(lines) + "\n"
