#!/usr/bin/python3
"""adversary.py TORRENT [--listen 127.0.0.1:0] [--lies]

A BitTorrent peer that has nothing and tries everything to get something: it asks for pieces while it is choked, for those that it
is told are allowed fast and for those that it is not, for the metadata (ut_metadata), for the hashes of a v2 torrent; it says again
and again that it is interested, no longer interested, interested. With --lies it says that it has all pieces, and gives none. It
calls whoever listens at 127.0.0.1, again and again, and calls back whoever dialled it, at the very address and port that
the call came from. Prints {"port": …}, {"connected": true} with the first peer, {"fed": true, …} with its first payload,
{"had_enough": true, …} once it got all three of payload, metadata and hashes, and at SIGTERM what it got: {"received": payload
bytes, "metadata": parts, "hashes": answers, "connections": n, "calls": its own that were connected, "dialled_in": those that
were answered, "requests": …, "metadata_requests": …, "hash_requests": …, "unchoked": …, "allowed_fast": …}."""
import argparse
import hashlib
import os
import select
import signal
import socket
import struct
import threading
import time

import libtorrent as lt

from wire import exactly, host_port, listen, message, listening_at_home, say

BLOCK = 16384
ASK_EVERY = 0.25
CALL_EVERY = 0.5
count_lock = threading.Lock()
told_fed, told_enough = [], []
counted = dict.fromkeys(("received", "metadata", "hashes", "connections", "calls", "dialled_in", "requests", "metadata_requests",
                         "hash_requests", "unchoked", "allowed_fast"), 0)


def count(**what):
    with count_lock:
        for name, number in what.items():
            counted[name] += number
        if counted["connections"] == 1 and "connections" in what:
            say(connected=True)
        if counted["received"] > 0 and not told_fed:
            told_fed.append(True)
            say(fed=True, **counted)
        if not told_enough and all(counted[kind] > 0 for kind in ("received", "metadata", "hashes")):
            told_enough.append(True)
            say(had_enough=True, **counted)


def roots_of(tree, longer_than):
    """The roots of a v2 file tree whose files have more than one piece: only of these a client may be asked for hashes."""
    for name, below in tree.items():
        if name == b"":
            if below[b"length"] > longer_than:
                yield below[b"pieces root"]
        else:
            yield from roots_of(below, longer_than)


class Wanted:
    def __init__(self, path, lies):
        self.lies = lies
        with open(path, "rb") as file:
            info = lt.bdecode(file.read())[b"info"]
        raw = lt.bencode(info)
        self.v2 = b"file tree" in info
        self.roots = list(roots_of(info[b"file tree"], info[b"piece length"])) if self.v2 else []
        # Whoever speaks v2 is answered with the v2 hash, which makes a hybrid's connection one of v2; no other answers for hashes.
        self.hash = hashlib.sha256(raw).digest()[:20] if self.v2 else hashlib.sha1(raw).digest()

    def reserved(self):
        return bytes([0, 0, 0, 0, 0, 0x10, 0, 0x04 | (0x10 if self.v2 else 0)])


class Talk:
    """One connection, from its handshakes on."""

    def __init__(self, line, wanted):
        self.line, self.wanted = line, wanted
        self.metadata_number, self.has, self.fast, self.round = 0, set(), set(), 0

    def run(self):
        # Every other time the first word is a question for hashes: a client that has not yet learnt what we have, or remembers
        # us from the last time, might answer it. One that does not ends the talk there, so the other times it comes later.
        with count_lock:
            at_once = counted["connections"] % 2 == 0
        says = message(14) if self.wanted.lies else b""
        self.line.sendall(says + (self.hashes_asked() if at_once else b"") + message(20, b"\0d1:md11:ut_metadatai3eee") + message(15) + message(2))
        buffer, ask_at = b"", time.monotonic() + ASK_EVERY
        while True:
            if select.select([self.line], [], [], max(0, ask_at - time.monotonic()))[0]:
                got = self.line.recv(1 << 18)
                if not got:
                    raise ConnectionError
                buffer += got
            while len(buffer) >= 4 and len(buffer) >= 4 + (size := struct.unpack(">I", buffer[:4])[0]):
                self.take(buffer[4:4 + size])
                buffer = buffer[4 + size:]
            if time.monotonic() >= ask_at:
                ask_at = time.monotonic() + ASK_EVERY
                self.ask()

    def take(self, got):
        if not got:
            return
        number, rest = got[0], got[1:]
        if number == 1:
            count(unchoked=1)
        elif number == 4:
            self.has.add(struct.unpack(">I", rest)[0])
        elif number == 5:
            self.has |= {i for i in range(8 * len(rest)) if rest[i // 8] & (128 >> i % 8)}
        elif number == 14:
            self.has |= set(range(64))
        elif number == 7:
            count(received=len(rest) - 8)
        elif number == 17:
            self.fast.add(struct.unpack(">I", rest)[0])
            count(allowed_fast=1)
        elif number == 22:
            count(hashes=1)
        elif number == 20 and rest[:1] == b"\0":
            said = lt.bdecode(rest[1:])
            self.metadata_number = said.get(b"m", {}).get(b"ut_metadata", 0)
        elif number == 20 and b"msg_typei1e" in rest[:60]:
            count(metadata=1)

    def ask(self):
        self.round += 1
        pieces = list(self.fast)[:4] + sorted(self.has)[:4] + [self.round % 8]
        asked = b"".join(message(6, struct.pack(">III", piece, 0, BLOCK)) for piece in pieces)
        count(requests=len(pieces))
        if self.metadata_number:
            # As it should be, cut, with a number that is 0 in eight bits, and nested beyond what a reader may take.
            spelling = (b"d8:msg_typei0e5:piecei0ee", b"d8:msg_typei0e5:piecei0e", b"d8:msg_typei256e5:piecei0ee",
                        b"d1:a" + b"l" * 20 + b"e" * 20 + b"8:msg_typei0e5:piecei0ee")[self.round % 4]
            asked += message(20, bytes([self.metadata_number]) + spelling)
            count(metadata_requests=1)
        asked += self.hashes_asked()
        if self.round % 8 == 0:
            asked += message(3) + message(2)
        self.line.sendall(asked)

    def hashes_asked(self):
        if not self.wanted.roots:
            return b""
        count(hash_requests=1)
        root = self.wanted.roots[self.round % len(self.wanted.roots)]
        return message(21, root + struct.pack(">IIII", 0, 0, 2, 0))


def greeting(wanted):
    return b"\x13BitTorrent protocol" + wanted.reserved() + wanted.hash + b"-AD0001-" + os.urandom(12)


def called(line, wanted):
    with line:
        try:
            if not exactly(line, 68).startswith(b"\x13BitTorrent protocol"):
                return  # encrypted: who wants to talk to it tries again in plain text
            line.sendall(greeting(wanted))
            count(connections=1)
            Talk(line, wanted).run()
        except (OSError, ValueError, struct.error):
            pass


def call(address, wanted, own):
    try:
        # From where it is dialled: others might not be let in.
        with socket.create_connection(address, 2, (own, 0)) as line:
            count(calls=1)
            line.sendall(greeting(wanted))
            exactly(line, 68)
            count(dialled_in=1)
            Talk(line, wanted).run()
    except (OSError, ValueError, struct.error):
        pass


def answer(server, wanted, own):
    while True:
        line, address = server.accept()
        # Only a client that listens where it dials from takes the call back.
        for work in ((called, line, wanted), (call, address, wanted, own)):
            threading.Thread(target=work[0], args=work[1:], daemon=True).start()


def call_everybody(wanted, own):
    """A thread for each: a call that is taken goes on for as long as the other wants."""
    called_at = {}
    while True:
        for address in listening_at_home():
            if address not in called_at or not called_at[address].is_alive():
                called_at[address] = threading.Thread(target=call, args=(address, wanted, own), daemon=True)
                called_at[address].start()
        time.sleep(CALL_EVERY)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("torrent")
    options.add_argument("--listen", default="127.0.0.1:0", type=host_port)
    options.add_argument("--lies", action="store_true")
    given = options.parse_args()
    wanted = Wanted(given.torrent, given.lies)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    server = listen(given.listen)
    threading.Thread(target=answer, args=(server, wanted, given.listen[0]), daemon=True).start()
    threading.Thread(target=call_everybody, args=(wanted, given.listen[0]), daemon=True).start()
    signal.sigwait([signal.SIGTERM])
    with count_lock:
        say(**counted)
        os._exit(0)


main()
