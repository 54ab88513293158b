#!/usr/bin/python3
"""tracker.py [--listen 127.0.0.1:0] [--peer HOST:PORT]... [--refuse-until FILE] [--redirect URL] [--scrape COMPLETE:INCOMPLETE:DOWNLOADED]

An HTTP tracker that answers every announce with the same peers. Prints {"port": …} when it listens, and at SIGTERM
{"announces": n, "scrapes": m}; a scrape gets 404 where it has no counts. Until FILE is there every announce gets a 503, the first of them with a line {"refused": 1}. With URL every
announce is sent there (302), and counted."""
import argparse
import http.server
import os
import signal
import socket
import struct
import urllib.parse

from wire import host_port, say


def compact(peers):
    return b"".join(socket.inet_aton(host) + struct.pack(">H", port) for host, port in peers)


class Stopped(BaseException):  # no Exception: the server would swallow it while it answers a request
    pass


def stop(*_):
    raise Stopped


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--listen", default="127.0.0.1:0", type=host_port)
    options.add_argument("--peer", action="append", default=[], type=host_port)
    options.add_argument("--refuse-until")
    options.add_argument("--redirect")
    options.add_argument("--scrape")
    given = options.parse_args()
    peers = compact(given.peer)
    body = b"d8:intervali1800e5:peers%d:%se" % (len(peers), peers)
    counted = {"announces": 0, "scrapes": 0}
    refused = {}

    class Announce(http.server.BaseHTTPRequestHandler):
        def scrape(self):
            counted["scrapes"] += 1
            if not given.scrape:
                self.send_error(404)
                return
            info_hash = urllib.parse.unquote_to_bytes(self.path.partition("info_hash=")[2].partition("&")[0])
            complete, incomplete, downloaded = map(int, given.scrape.split(":"))
            answer = b"d5:filesd20:%sd8:completei%de10:downloadedi%de10:incompletei%deeee" % (info_hash, complete, downloaded, incomplete)
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def do_GET(self):
            if self.path.startswith("/scrape"):
                self.scrape()
                return
            if given.refuse_until and not os.path.exists(given.refuse_until):
                if not refused:
                    refused["refused"] = 1
                    say(**refused)
                self.send_error(503)
                return
            counted["announces"] += 1
            self.send_response(302 if given.redirect else 200)
            if given.redirect:
                self.send_header("Location", given.redirect)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    signal.signal(signal.SIGTERM, stop)
    server = http.server.HTTPServer(given.listen, Announce)
    try:
        say(port=server.server_address[1])
        server.serve_forever()
    except Stopped:
        say(**counted)


main()
