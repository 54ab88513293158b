#!/usr/bin/python3
"""lying_peer.py INFO_DICT_FILE [--listen 127.0.0.1:0] [--garbage PIECES [--all PIECES] [--of FILE --piece-size BYTES --spoil EVERY]]

A BitTorrent peer that takes any info-hash and serves the bytes of INFO_DICT_FILE as its metadata (BEP 9, BEP 10). With
--garbage it says that it has that many pieces, the first of --all, and answers every request with bytes of its own making; with --of they are
those of FILE, of which every so many blocks have one wrong bit.
Prints {"port": …} when it listens, {"served": true} once it has handed the metadata over, {"lied": true} with the first lie."""
import argparse
import struct

from wire import exactly, host_port, listen, say


def extended(number, payload):
    return struct.pack(">IBB", len(payload) + 2, 20, number) + payload


class Payload:
    """What it answers requests with."""

    def __init__(self, path, piece_size, spoil_every):
        self.path, self.piece_size, self.spoil_every, self.blocks = path, piece_size, spoil_every, 0

    def block(self, piece, begin, count):
        self.blocks += 1
        lie = not self.path or self.blocks % self.spoil_every == 0
        if lie and self.blocks <= (self.spoil_every if self.path else 1):
            say(lied=True)
        if not self.path:
            return (b"garbage!" * (count // 8 + 1))[:count]
        with open(self.path, "rb") as file:
            file.seek(piece * self.piece_size + begin)
            block = bytearray(file.read(count).ljust(count, b"\0"))
        block[count // 2] ^= 1 if lie else 0
        return bytes(block)


def serve(line, info, pieces, every_piece, payload):
    head = exactly(line, 68)
    line.sendall(b"\x13BitTorrent protocol" + b"\0\0\0\0\0\x10\0\0" + head[28:48] + b"-XX0000-liarliarliar")
    line.sendall(extended(0, b"d1:md11:ut_metadatai3ee13:metadata_sizei%dee" % len(info)))
    if pieces:
        bitfield = int(("1" * pieces).ljust((every_piece + 7) // 8 * 8, "0"), 2).to_bytes((every_piece + 7) // 8, "big")
        line.sendall(struct.pack(">IB", len(bitfield) + 1, 5) + bitfield + struct.pack(">IB", 1, 1))
    their_number = 2
    while True:
        length = struct.unpack(">I", exactly(line, 4))[0]
        message = exactly(line, length)
        if pieces and length == 13 and message[0] == 6:
            piece, begin, count = struct.unpack(">III", message[1:])
            line.sendall(struct.pack(">IBII", count + 9, 7, piece, begin) + payload.block(piece, begin, count))
        if length < 2 or message[0] != 20:
            continue
        if message[1] == 0:
            at = message.find(b"11:ut_metadatai")
            their_number = int(message[at + 15:message.index(b"e", at + 15)])
        elif message[1] == 3 and b"msg_typei0e" in message:
            at = message.index(b"5:piecei") + 8
            piece = int(message[at:message.index(b"e", at)])
            body = info[piece * 16384:(piece + 1) * 16384]
            line.sendall(extended(their_number, b"d8:msg_typei1e5:piecei%de10:total_sizei%dee" % (piece, len(info)) + body))
            say(served=True)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("info")
    options.add_argument("--listen", default="127.0.0.1:0", type=host_port)
    options.add_argument("--garbage", type=int, default=0)
    options.add_argument("--all", type=int, default=0)
    options.add_argument("--of")
    options.add_argument("--piece-size", type=int)
    options.add_argument("--spoil", type=int)
    given = options.parse_args()
    payload = Payload(given.of, given.piece_size, given.spoil)
    with open(given.info, "rb") as file:
        info = file.read()
    server = listen(given.listen)
    while True:
        line, _ = server.accept()
        try:
            serve(line, info, given.garbage, max(given.all, given.garbage), payload)
        except (ConnectionError, ValueError, OSError):
            pass
        finally:
            line.close()


main()
