"""The one table of the lessons' pairs: their names, default ports, arguments and what is typed.

Imported by the scripts that run a lesson (trace, compare, demo); `lessons.py NAME` prints a lesson's key.
Every run asks the server for port 0 and reads the real one from its first line of output; `{port}` in a
client's arguments stands for it.

    title     the lesson in one phrase
    folder    its directory
    port      the server's default port, which stands in masked transcripts for the one really used
    server    arguments of the server
    clients   one entry a client: its arguments and the lines typed into it (each sent with a newline,
              then end of input)
    loops     True: the server serves on and ends on SIGTERM; False: it ends by itself after one client
    last      optional (text, count): the server has said all when it has printed the text so often
    together  True: the clients talk at the same time, a line each in turn; False: one after the other
"""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

_HERE = ["127.0.0.1", "{port}"]

LESSONS = {
    "01": dict(title="one exchange", folder="01_basic", port=19527, loops=False, together=False,
               server=["127.0.0.1", "0"],
               clients=[dict(args=_HERE, lines=[])]),
    "02": dict(title="a conversation, client after client", folder="02_echo_loop", port=19534,
               loops=True, together=False, last=(" finished", 2),
               server=["127.0.0.1", "0"],
               clients=[dict(args=_HERE, lines=["hello", "how are you?"]),
                        dict(args=_HERE, lines=["my turn"])]),
    "03": dict(title="many clients at once", folder="03_threaded", port=19534,
               loops=True, together=True, last=(" finished", 2),
               server=["127.0.0.1", "0"],
               clients=[dict(args=_HERE, lines=["first", "still here"]),
                        dict(args=_HERE, lines=["second", "exit"])]),
    "04": dict(title="HTTP over the same socket", folder="04_http_get", port=8080,
               loops=True, together=False,
               server=["127.0.0.1", "0"],
               clients=[dict(args=["http://127.0.0.1:{port}/"], lines=[])]),
    "05": dict(title="datagrams", folder="05_udp", port=19535, loops=True, together=False,
               server=["127.0.0.1", "0"],
               clients=[dict(args=_HERE, lines=["hello", "", "how are you?"])]),
    "06": dict(title="what lies between send and recv", folder="06_buffers", port=19536,
               loops=False, together=False,
               server=["127.0.0.1", "0", "0"],
               clients=[dict(args=_HERE + ["300000"], lines=[])]),
}

# further pairs of a lesson, which make demo runs too: fields as above, and the programs' names
_ONCE = dict(port=0, loops=False, together=False, server=["127.0.0.1", "0"])
MORE = {
    "01": [dict(_ONCE, title="the same exchange in GBK", programs=("gbk_server", "gbk_client"),
                clients=[dict(args=_HERE, lines=[])])],
    "02": [dict(_ONCE, title="the same conversation over a path (AF_UNIX)", loops=True, last=(" finished", 1),
                programs=("unix_server", "unix_client"), server=["{path}"],
                clients=[dict(args=["{path}"], lines=["hello"])])],
    "05": [dict(_ONCE, title="datagrams with a number", loops=True,
                programs=("numbered_server", "numbered_client"),
                clients=[dict(args=_HERE, lines=["hello"])])],
    "06": [dict(_ONCE, title="a slow reader makes the sender wait", programs=("server", "client"),
                server=["-r", "65536", "127.0.0.1", "0", "1000000"],
                clients=[dict(args=["-s", "65536"] + _HERE + ["2000000"], lines=[])]),
           dict(_ONCE, title="where a message ends: framing", programs=("framing_server", "framing_client"),
                clients=[dict(args=_HERE, lines=[])])],
}


def number(name):
    """The key of a lesson named as `3`, `03` or `03_threaded`; KeyError when there is none."""
    key = str(name).split("_")[0].zfill(2)
    if key not in LESSONS or str(name) not in (key, key.lstrip("0"), LESSONS[key]["folder"]):
        raise KeyError(name)
    return key


def asked(name):
    """The same for what was typed: ends the program with exit status 2 when there is none."""
    try:
        return number(name)
    except KeyError:
        print(f"no lesson {name}: {min(LESSONS)} to {max(LESSONS)}", file=sys.stderr)
        sys.exit(2)


def command(key, role, args, port=None, language="C"):
    """The argv of a lesson's program: role `server` or `client` (or `unix_server` ...), language `C` or
    `Python`, args with `{port}` replaced."""
    program = ROOT / LESSONS[key]["folder"] / role
    start = [str(program)] if language == "C" else [sys.executable, str(program) + ".py"]
    return start + [arg.replace("{port}", str(port)) for arg in args]


if __name__ == "__main__":
    print(asked(sys.argv[1]))
