#!/usr/bin/python3
"""seeder.py TORRENT FOLDER [--listen 127.0.0.1:0] [--rate BYTES/S] [--dial HOST:PORT]...

Seeds until SIGTERM. Prints {"port": …} when it can be reached, {"uploaded": …} at the end. FOLDER holds the torrent's
file or folder; it is believed to be whole."""
import argparse

from swarm_peer import Stopped, add, dial, host_port, say, session, stop_on_sigterm


def main():
    options = argparse.ArgumentParser()
    options.add_argument("torrent")
    options.add_argument("folder")
    options.add_argument("--listen", default="127.0.0.1:0")
    options.add_argument("--rate", type=int, default=0)
    options.add_argument("--dial", action="append", default=[], type=host_port)
    given = options.parse_args()
    stop_on_sigterm()
    peer = session(given.listen, unchoke_slots_limit=-1, max_allowed_in_request_queue=5000, allowed_fast_set_size=0)
    handle = add(peer, given.torrent, given.folder, seed=True)
    if given.rate:
        handle.set_upload_limit(given.rate)
    try:
        say(port=peer.listen_port())
        while True:
            peer.wait_for_alert(500)
            peer.pop_alerts()
            dial(handle, given.dial)
    except Stopped:
        say(uploaded=handle.status().total_payload_upload)


main()
