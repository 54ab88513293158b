"""What seeder.py and leecher.py share: a session on one loopback address that does nothing by itself, and the end on
SIGTERM without a poll."""
import signal
import sys

import libtorrent as lt

from wire import host_port, say

# 2.0.8's Python has no add_torrent_params.flags before the first read; these are what both kinds of peer set.
PLAIN = {
    "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
    "enable_outgoing_utp": False, "enable_incoming_utp": False, "allow_multiple_connections_per_ip": True,
    "min_reconnect_time": 1, "max_failcount": 100, "alert_queue_size": 100000,
    "alert_mask": lt.alert.category_t.status_notification | lt.alert.category_t.connect_notification,
}


class Stopped(Exception):
    pass


def stop_on_sigterm():
    def stop(*_):
        raise Stopped
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def session(listen, **more):
    return lt.session({**PLAIN, "listen_interfaces": listen, **more})


def add(peer, torrent, folder, seed):
    """`seed`: what lies there is believed to be whole; else it is looked at first."""
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(torrent)
    params.save_path = folder
    params.trackers = []
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    if seed:
        params.flags |= lt.torrent_flags.seed_mode
    return peer.add_torrent(params)


def dial(handle, targets):
    if targets and handle.status().num_peers == 0:
        for target in targets:
            handle.connect_peer(target, 1)  # as from a tracker: failures are forgiven


__all__ = ["Stopped", "stop_on_sigterm", "session", "add", "host_port", "say", "dial", "sys", "lt"]
