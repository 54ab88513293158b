#!/usr/bin/python3
"""make_torrent.py SOURCE OUT.torrent [--version v1|v2|hybrid] [--tracker URL]... [--web-seed URL]... [--piece-size N] [--symlinks]

Makes a .torrent of a file or folder and prints {"v1","v2","name","magnet"} (hashes as hex, absent ones null)."""
import argparse
import json
import os

import libtorrent as lt

FLAGS = {"v1": lt.create_torrent.v1_only, "v2": lt.create_torrent.v2_only, "hybrid": 0}


def main():
    options = argparse.ArgumentParser()
    options.add_argument("source")
    options.add_argument("out")
    options.add_argument("--version", choices=FLAGS, default="v1")
    options.add_argument("--tracker", action="append", default=[])
    options.add_argument("--web-seed", action="append", default=[])
    options.add_argument("--piece-size", type=int, default=16384)
    options.add_argument("--private", action="store_true")
    options.add_argument("--symlinks", action="store_true", help="links as links (BEP 47), not what they lead to")
    given = options.parse_args()
    source = os.path.abspath(given.source)
    files = lt.file_storage()
    links = lt.create_torrent.symlinks if given.symlinks else 0
    lt.add_files(files, source, lambda path: True, links)
    torrent = lt.create_torrent(files, given.piece_size, FLAGS[given.version] | links)
    torrent.set_priv(given.private)
    for url in given.tracker:
        torrent.add_tracker(url)
    for url in given.web_seed:
        torrent.add_url_seed(url)
    lt.set_piece_hashes(torrent, os.path.dirname(source))
    with open(given.out, "wb") as out:
        out.write(lt.bencode(torrent.generate()))
    hashes = lt.torrent_info(given.out).info_hashes()
    v1 = str(hashes.v1) if hashes.has_v1() else None
    v2 = str(hashes.v2) if hashes.has_v2() else None
    topics = ([f"xt=urn:btih:{v1}"] if v1 else []) + ([f"xt=urn:btmh:1220{v2}"] if v2 else [])
    print(json.dumps({"v1": v1, "v2": v2, "name": files.name(), "magnet": "magnet:?" + "&".join(topics)}))


main()
