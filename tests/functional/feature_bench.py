"""The benchmark of torrents at a small size: it proves what it times, and prints its ratios. How fast is no business of a test."""
import contextlib
import io
import sys

import harness

sys.path.insert(0, str(harness.SUPPORT.parent / "bench"))
import torrent


def test_torrents_of_one_file_and_of_many_come_whole_and_are_compared(world):
    harness.need_module("libtorrent")
    torrent.SIZE, torrent.ROUNDS = 8 << 20, 1
    for other in ("qbittorrent-nox", "aria2c"):
        del torrent.CLIENTS[other]
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        torrent.compare(world, "one file", 1, 1.4)
        torrent.compare(world, "40 files", 40, 1.15)
    assert said.getvalue().count("of the fastest with sha256sum") == 2 and said.getvalue().count("peak PSS") == 6, said.getvalue()


if __name__ == "__main__":
    harness.main(globals())
