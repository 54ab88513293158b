#!/usr/bin/python3
"""seeder.py TORRENT FOLDER [--listen 127.0.0.1:0] [--rate BYTES/S] [--dial HOST:PORT]... [--peers N]
    [--in-part]

Seeds until SIGTERM. Prints {"port": …} when it can be reached and knows what it has, {"uploaded": …} at the end; with
--peers that many sessions seed, {"ports": […]}. FOLDER holds the torrent's file or folder; it is believed to be whole, but with --in-part: then only what is right of it is seeded."""
import argparse

from swarm_peer import Stopped, add, dial, host_port, say, session, stop_on_sigterm


def main():
    options = argparse.ArgumentParser()
    options.add_argument("torrent")
    options.add_argument("folder")
    options.add_argument("--listen", default="127.0.0.1:0")
    options.add_argument("--rate", type=int, default=0)
    options.add_argument("--dial", action="append", default=[], type=host_port)
    options.add_argument("--peers", type=int, default=1)
    options.add_argument("--in-part", action="store_true")
    given = options.parse_args()
    stop_on_sigterm()
    crowd = [session(given.listen, unchoke_slots_limit=-1, max_allowed_in_request_queue=5000, allowed_fast_set_size=0) for _ in range(given.peers)]
    handles = [add(peer, given.torrent, given.folder, seed=not given.in_part) for peer in crowd]
    peer, handle = crowd[0], handles[0]
    if given.rate:
        handle.set_upload_limit(given.rate)
    try:
        # Whoever dials while it still looks at what it has is sent away.
        while any("checking" in str(one.status().state) for one in handles):
            peer.wait_for_alert(500)
            peer.pop_alerts()
        say(port=peer.listen_port(), ports=[one.listen_port() for one in crowd])
        while True:
            peer.wait_for_alert(500)
            peer.pop_alerts()
            dial(handle, given.dial)
    except Stopped:
        say(uploaded=sum(one.status().total_payload_upload for one in handles))


main()
