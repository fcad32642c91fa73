"""Lesson 01, one exchange: the server and the client, in C and in Python."""
import socket

import kit

USAGE = "usage: server [HOST [PORT [REPLY]]]"


@kit.both
class Exchange:
    """One client, one message, one reply."""

    lesson = "01_basic"

    def test_server_and_client_exchange_one_message(self):
        server = self.server()
        client = self.client(server.port)
        self.assertEqual(client.wait(), 0)
        self.assertEqual(server.wait(), 0)
        lines = client.out.decode().splitlines()
        own = lines[0].split()[0]
        self.assertEqual(lines, [f"{own} connected to 127.0.0.1:{server.port}", "received 3 bytes: get"])
        self.assertEqual(server.out.decode().splitlines(), [
            f"listening on 127.0.0.1:{server.port}", f"{own} connected",
            f"127.0.0.1:{server.port} is this end", f"{own} sent 4 bytes: test"])
