#!/usr/bin/python3
"""udp_tracker.py [--listen 127.0.0.1:0] [--peer HOST:PORT]... [--scrape COMPLETE:INCOMPLETE:DOWNLOADED]

A UDP tracker (BEP 15) that answers every announce with the same peers, and every scrape with the same counts. Prints {"port": …}
when it listens, until it is ended."""
import argparse
import socket
import struct

from wire import host_port, say

CONNECT, ANNOUNCE, SCRAPE = 0, 1, 2
CONNECTION = 7


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--listen", default="127.0.0.1:0", type=host_port)
    options.add_argument("--peer", action="append", default=[], type=host_port)
    options.add_argument("--scrape", default="0:0:0")
    given = options.parse_args()
    complete, incomplete, downloaded = map(int, given.scrape.split(":"))
    peers = b"".join(socket.inet_aton(host) + struct.pack(">H", port) for host, port in given.peer)
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.bind(given.listen)
    say(port=line.getsockname()[1])
    while True:
        asked, who = line.recvfrom(4096)
        if len(asked) < 16:
            continue
        action, transaction = struct.unpack(">II", asked[8:16])
        head = struct.pack(">II", action, transaction)
        if action == CONNECT:
            line.sendto(head + struct.pack(">Q", CONNECTION), who)
        elif action == ANNOUNCE:
            line.sendto(head + struct.pack(">III", 1800, incomplete, complete) + peers, who)
        elif action == SCRAPE:
            line.sendto(head + struct.pack(">III", complete, downloaded, incomplete), who)


main()
