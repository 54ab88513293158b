#!/usr/bin/python3
"""leecher.py TORRENT FOLDER [--listen 127.0.0.1:0] [--dial HOST:PORT]... [--utp] [--metadata MAGNET] [--stay]

A hungry peer: wants everything, asks whoever it is connected to, and never gives up. Prints {"port": …} when it can be
reached, {"connected": true} when a peer came, and at SIGTERM (or when it has all) {"received": payload bytes,
"connections": n, "heard": bytes of any kind}. With --metadata it knows only the magnet link and "metadata": true/false tells whether it got the
info dict. With --utp it calls whoever listens at 127.0.0.1, by uTP alone. With --stay it goes on as a seed."""
import argparse

from swarm_peer import Stopped, add, dial, host_port, lt, say, session, stop_on_sigterm
from wire import listening_at_home


def magnet(peer, link, folder):
    params = lt.parse_magnet_uri(link)
    params.save_path = folder
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    return peer.add_torrent(params)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("torrent")
    options.add_argument("folder")
    options.add_argument("--listen", default="127.0.0.1:0")
    options.add_argument("--dial", action="append", default=[], type=host_port)
    options.add_argument("--utp", action="store_true")
    options.add_argument("--metadata")
    options.add_argument("--stay", action="store_true")
    given = options.parse_args()
    stop_on_sigterm()
    ways = {"enable_outgoing_utp": True, "enable_outgoing_tcp": False} if given.utp else {"enable_incoming_utp": given.stay}
    peer = session(given.listen, unchoke_slots_limit=-1, **ways)
    handle = magnet(peer, given.metadata, given.folder) if given.metadata else add(peer, given.torrent, given.folder, seed=False)
    connections = 0
    try:
        say(port=peer.listen_port())
        while given.stay or not handle.status().is_seeding:
            peer.wait_for_alert(500)
            for alert in peer.pop_alerts():
                if isinstance(alert, lt.peer_connect_alert):
                    connections += 1
                    if connections == 1:
                        say(connected=True)
            dial(handle, given.dial + (listening_at_home() if given.utp else []))
    except Stopped:
        pass
    status = handle.status()
    say(received=status.total_payload_download, uploaded=status.total_payload_upload, connections=connections, heard=status.total_download,
        metadata=status.has_metadata)


main()
