"""The stories of the classroom demos: what scripts/stage.py does and says, lesson by lesson.

    panes  (name, rows) from top to bottom: a shell in the lesson's folder each; `calls` shows what
           strace writes. Rows and one title line a pane, with the narrator's 4 and 1, make 24
    steps  (what the narrator says: 3 lines of 78 columns at most, [(pane, keys, text to wait for)]), or
           None for the list: only in tmux, for it needs a server that still runs

Keys end with Enter by themselves; ^C and ^D are those keys. `{server}` is the port on which that pane's
program listens, `{strace}` the strace command, or nothing where there is none. The text to wait for is
one that comes after the keys that were typed last into the pane, in this step or in one before; nothing is
waited for in `calls` where there is no strace. A step that says "Vote" only prepares what is asked: the
next one does it.
"""

_START = "{strace} ./server 127.0.0.1 0"
_PROMPT = "ends): "

STORIES = {
    "01": dict(panes=[("server", 5), ("client", 4), ("calls", 7)], steps=[
        ("One exchange. The server asks for port 0, which means: any free one. It makes a socket, "
         "binds it to the address, listens, and waits in accept. Vote: who must speak first?",
         [("server", _START, "listening on")]),
        ("The client connects, sends, and receives. That it sends first, and the server answers, is what "
         "the two have agreed on: that is a protocol.",
         [("client", "./client 127.0.0.1 {server}", "received")]),
        ("Look at the calls: accept returned a new descriptor for this one client. recv gave 4 bytes, "
         "send took 3. Next, a client tries port 1, where nobody listens: will it wait? Vote!", []),
        ("The other machine answers at once that nobody is "
         "there. docs/errors.md says what to do about each such line.",
         [("client", "./client 127.0.0.1 1", "refused")]),
    ]),
    "02": dict(panes=[("server", 4), ("client 1", 3), ("client 2", 4), ("calls", 4)], steps=[
        ("The same server with two loops: one takes client after client, one takes message after message.",
         [("server", _START, "listening on")]),
        ("A client talks, as often as it likes. Each line goes out with send and comes back.",
         [("client 1", "./client 127.0.0.1 {server}", _PROMPT), ("client 1", "hello", "Echo: hello")]),
        ("Now the first client says nothing, and a second one will connect and ask. It waits 5 seconds at "
         "most. Will it get an answer? Vote!", []),
        ("The kernel connects it: the queue of listen holds it. But the server sits in recv, for the "
         "first client. One silent client holds up all the others: 5 seconds, and no answer.",
         [("client 2", "./client 127.0.0.1 {server}", _PROMPT),
          ("client 2", "is anybody there?", "5 seconds")]),
        ("The first client leaves (Ctrl-D), and the line moves: now the server accepts the second one, "
         "reads what it said, and answers to nobody.",
         [("client 1", "^D", "$ "), ("server", "", "finished")]),
        ("Lesson 03 mends this with a thread for each client. Ctrl-C ends the server.",
         [("server", "^C", "$ ")]),
    ]),
    "03": dict(panes=[("server", 4), ("client 1", 2), ("client 2", 2), ("client 3", 2), ("calls", 4)], steps=[
        ("First lesson 02 once more. One client has connected, and says nothing; a second one will ask. "
         "Will it get an answer? Vote!",
         [("server", "../02_echo_loop/server 127.0.0.1 0", "listening on"),
          ("client 1", "../02_echo_loop/client 127.0.0.1 {server}", _PROMPT), ("server", "", "connected")]),
        ("It waits 5 seconds, and gives up: the server sits in recv, for the silent one.",
         [("client 2", "../02_echo_loop/client 127.0.0.1 {server}", _PROMPT),
          ("client 2", "anybody there?", "5 seconds")]),
        ("Now this lesson's server: a thread for each client; the main thread only accepts.",
         [("client 1", "^D", "$ "), ("server", "", "finished"), ("server", "^C", "$ "),
          ("server", _START, "listening on")]),
        ("The first client connects, and says nothing, as before. Now a second one will ask. Will it get "
         "an answer? Vote!",
         [("client 1", "./client 127.0.0.1 {server}", ""), ("server", "", "connected")]),
        ("The second client asks, and is answered at once: another thread serves it. The silent one costs "
         "a thread that waits in recv, and no more.",
         [("client 2", "./client 127.0.0.1 {server}", ""),
          ("client 2", "anybody there?", "Echo: anybody")]),
        ("And the third, at the same time. The calls begin with the thread's number: each thread waits "
         "in a recv of its own, for its own client.",
         [("client 3", "./client 127.0.0.1 {server}", ""), ("client 3", "me too", "Echo: me too")]),
        ("The second client leaves; the others do not notice. Its thread closes its own socket, and ends.",
         [("client 2", "^D", "$ "), ("server", "", "finished")]),
        ("The silent one speaks at last, and is answered at once.",
         [("client 1", "here I am", "Echo: here")]),
        ("Ctrl-C ends the server, with all its threads; the kernel closes their sockets.",
         [("server", "^C", "$ ")]),
    ]),
    "04": dict(panes=[("server", 5), ("client", 7), ("calls", 4)], steps=[
        ("What does a client of the web really send? Let lesson 01's server listen: it shows what comes, "
         "byte for byte, and knows no HTTP.",
         [("server", "{strace} ../01_basic/server 127.0.0.1 0", "listening on")]),
        ("The client of this lesson asks it for a page. Above: the request, raw; \\r\\n ends each line, "
         "an empty line ends it all. The answer, \"get\", is no HTTP.",
         [("client", "./client http://127.0.0.1:{server}/", "no HTTP")]),
        ("Now a server that knows the protocol. It parses the first line, and answers with a status, "
         "headers, an empty line and the page.",
         [("server", _START, "listening on")]),
        ("The same request; the page that comes back repeats it. accept, recv and send are as "
         "in lesson 01; only the text has changed.",
         [("client", "./client http://127.0.0.1:{server}/ | tail -n 6", "received")]),
        ("What the server does not have gets an answer too, with a status of its own: 404. An error of "
         "HTTP is no error of the socket.",
         [("client", "./client http://127.0.0.1:{server}/nothing | head -n 4", "received")]),
        ("Open http://127.0.0.1:{server}/ in a browser of this machine now: the page shows what the browser "
         "sent. How much longer is that than ours?", None),
        ("Ctrl-C ends the server, with its whole pool of threads.",
         [("server", "^C", "$ ")]),
    ]),
    "05": dict(panes=[("server", 4), ("relay", 4), ("client", 4), ("calls", 3)], steps=[
        ("Datagrams: no listen, no accept, no connection. The server has one socket for everybody, and "
         "waits in recvfrom, which tells who sent what.",
         [("server", _START, "listening on")]),
        ("Each message is one datagram. The answer goes to the address from which it came.",
         [("client", "echo hello | ./client 127.0.0.1 {server}", "Echo: hello")]),
        ("Three messages are three datagrams, and stay three, even the empty one: here boundaries are "
         "kept, where TCP has only a stream of bytes.",
         [("client", "printf 'one\\n\\nthree\\n' | ./client 127.0.0.1 {server}", "Echo: three")]),
        ("A network may lose datagrams. This relay stands between the two and loses some: the second "
         "answer will be one. What will the client do, and how often will the server be asked? Vote!",
         [("relay", "../scripts/lossy_relay.py 127.0.0.1 {server} --drop 0.3 --seed 25", "listening on")]),
        ("The client heard nothing for a second, and sent \"two\" again: the server got it twice, and cannot "
         "know. UDP told neither of them that anything was lost.",
         [("client", "printf 'one\\ntwo\\n' | ./client 127.0.0.1 {relay}", "Echo: two")]),
        ("Now the server ends. What will the next client notice? Nothing was connected that could break. "
         "Vote!",
         [("server", "^C", "$ ")]),
        ("A machine that is there reports that nobody has the port. If a router had lost the datagram, "
         "there would be no report: silence, three tries, and an error.",
         [("client", "echo hello | ./client 127.0.0.1 {server}", "client: ")]),
    ]),
    "06": dict(panes=[("server", 6), ("client", 6), ("calls", 4)], steps=[
        ("What lies between send and recv: two buffers. The server will read only 2 MB in a second. Next, "
         "a client sends 16 MB as fast as it can. Does its send ever wait? Vote, and watch its bar.",
         [("server", _START + " 2000000", "listening on")]),
        ("The client's bar is full, and send BLOCKS. Both draw their queues for 8 seconds; the server takes "
         "100001 bytes at a time, to be slow evenly. Who slows the client down?",
         [("client", "./client 127.0.0.1 {server}", "BLOCKED")]),
        ("Nobody told it: the server's full buffer did (TCP's flow control), through the client's "
         "own full buffer. At the end nothing is lost: \"content intact\".",
         [("server", "", "content intact"), ("server", "", "$ "), ("client", "", "$ ")]),
        ("Now without blocking (-n), in sends of 4 MB; the calls will be the client's. What does send "
         "return when the buffer is full? Vote! First the server once more:",
         [("server", "./server 127.0.0.1 0 2000000", "listening on")]),
        ("A part first, then EAGAIN: nothing was taken. poll waits until there is room again; the program "
         "could do something else instead.",
         [("client", "{strace poll} ./client -n -m 4000000 127.0.0.1 {server} 9000000", "BLOCKED"),
          ("calls", "", "EAGAIN (")]),
        ("The bytes arrive no sooner: the slow reader decides.",
         [("client", "", "sent 9000000"), ("client", "", "$ "), ("server", "", "content intact"), ("server", "", "$ ")]),
    ]),
}
