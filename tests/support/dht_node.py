#!/usr/bin/python3
"""dht_node.py [--listen 127.0.0.1:0] [--bootstrap HOST:PORT] [--seed TORRENT FOLDER]

A node of a DHT (BEP 5) that a test owns: answers, and with --seed announces that it has the torrent, whose bytes lie in FOLDER.
Prints {"port": …} when it can be reached, {"announced": true} once a node took its announcement, and {"asked": n} at SIGTERM: how
many get_peers it was sent."""
import argparse
import time

from swarm_peer import Stopped, add, lt, say, session, stop_on_sigterm


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--listen", default="127.0.0.1:0")
    options.add_argument("--bootstrap", default="")
    options.add_argument("--seed", nargs=2)
    given = options.parse_args()
    stop_on_sigterm()
    categories = lt.alert.category_t
    node = session(given.listen, enable_dht=True, dht_bootstrap_nodes=given.bootstrap, dht_restrict_routing_ips=False, dht_restrict_search_ips=False,
                   dht_prefer_verified_node_ids=False, dht_ignore_dark_internet=False, unchoke_slots_limit=-1,
                   dht_block_ratelimit=10_000, dht_upload_rate_limit=1_000_000,
                   alert_mask=categories.status_notification | categories.dht_notification | categories.connect_notification)
    handle = add(node, given.seed[0], given.seed[1], seed=True) if given.seed else None
    asked, announced, next_announcement = 0, False, 0.0
    try:
        say(port=node.listen_port())
        while True:
            node.wait_for_alert(500)
            for alert in node.pop_alerts():
                if isinstance(alert, lt.dht_get_peers_alert):
                    asked += 1
                if isinstance(alert, lt.dht_announce_alert) and not announced:
                    announced = True
                    say(announced=True)
            # At most one a second: a node takes who asks it for more than five a second for an attack, and shuts it out for minutes.
            if handle is not None and time.monotonic() >= next_announcement:
                next_announcement = time.monotonic() + 1
                handle.force_dht_announce()
    except Stopped:
        say(asked=asked)


main()
