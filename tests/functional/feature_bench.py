"""The benchmarks of torrents and of captures at a small size: they prove what they time, and print their ratios. How fast is no business of a test."""
import contextlib
import io
import shutil
import sys

import harness

sys.path.insert(0, str(harness.SUPPORT.parent / "bench"))
import capture
import torrent


def test_torrents_of_one_file_and_of_many_come_whole_and_are_compared(world):
    harness.need_module("libtorrent")
    torrent.SIZE, torrent.ROUNDS = 8 << 20, 1
    for other in ("qbittorrent-nox", "aria2c"):
        del torrent.CLIENTS[other]
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        torrent.compare(world, "one file", torrent.one_file, 1.4)
        torrent.compare(world, "40 files", lambda size: torrent.many_files(size, 40), 1.15)
        torrent.compare(world, "mixed", torrent.mixed, 1.15)
    assert said.getvalue().count("of the fastest with sha256sum") == 3 and said.getvalue().count("peak PSS") == 9, said.getvalue()


def test_a_torrent_from_a_web_seed_comes_whole_and_is_compared(world):
    harness.need_module("libtorrent")
    harness.need("curl")
    torrent.SIZE, torrent.ROUNDS = 8 << 20, 1
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        torrent.compare_web_seeds(world)
    assert "of curl with sha256sum" in said.getvalue(), said.getvalue()


def test_many_captures_are_read_back_and_compared(world):
    capture.PAGES, capture.ROUNDS = 300, 1
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        capture.test_bench(world)
    assert said.getvalue().count("of the bare loop") == 2 and said.getvalue().count("of zlib 6") == 2, said.getvalue()
    assert ("times wget" in said.getvalue()) == (shutil.which("wget") is not None), said.getvalue()


if __name__ == "__main__":
    harness.main(globals())
