#!/usr/bin/python3
"""socks_proxy.py [--listen 127.0.0.1:0] [--name NAME=ADDRESS]...

A SOCKS5 proxy (RFC 1928, CONNECT, no authentication) that knows the names it is told, and no others. Prints {"port": …} and for each
CONNECT a line {"connect": "HOST:PORT", "by_name": true or false, "reached": true or false}."""
import argparse
import select
import socket
import struct
import threading

from wire import exactly, host_port, listen, say

REPLY_OK, REPLY_UNREACHABLE, REPLY_COMMAND = 0, 4, 7


def asked_for(line):
    """(command, host, port, by_name) of a request."""
    _, command, _, kind = exactly(line, 4)
    if kind == 3:
        host = exactly(line, exactly(line, 1)[0]).decode("ascii", "replace")
    elif kind == 1:
        host = socket.inet_ntop(socket.AF_INET, exactly(line, 4))
    else:
        host = socket.inet_ntop(socket.AF_INET6, exactly(line, 16))
    return command, host, struct.unpack(">H", exactly(line, 2))[0], kind == 3


def relay(one, other):
    pairs = {one: other, other: one}
    while True:
        for ready in select.select(list(pairs), [], [])[0]:
            got = ready.recv(1 << 16)
            if not got:
                return
            pairs[ready].sendall(got)


def serve(line, names):
    with line:
        try:
            exactly(line, exactly(line, 2)[1])
            line.sendall(b"\x05\x00")
            command, host, port, by_name = asked_for(line)
            reply, onward = REPLY_COMMAND, None
            if command == 1:
                try:
                    onward = socket.create_connection((names[host] if by_name else host, port), 5)
                    reply = REPLY_OK
                except (OSError, KeyError):
                    reply = REPLY_UNREACHABLE
                say(connect=f"{host}:{port}", by_name=by_name, reached=reply == REPLY_OK)
            line.sendall(struct.pack(">BBBBIH", 5, reply, 0, 1, 0, 0))
            if onward:
                with onward:
                    relay(line, onward)
        except (OSError, ValueError):
            pass


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--listen", default="127.0.0.1:0", type=host_port)
    options.add_argument("--name", action="append", default=[])
    given = options.parse_args()
    server = listen(given.listen)
    while True:
        line, _ = server.accept()
        threading.Thread(target=serve, args=(line, dict(one.split("=", 1) for one in given.name)), daemon=True).start()


main()
