#!/usr/bin/python3
"""paste_server.py --listen HOST:PORT FOLDER: answers as Pastebin's scraping API does, from files that a test may change meanwhile.

    /api_scraping.php?limit=N      FOLDER/list.json, its first N items
    /api_scrape_item.php?i=KEY     FOLDER/items/KEY, or the site's own sentence with status 200 when there is none
    anything else                  404

Each path asked for is a line of FOLDER/requests.log. Prints "ready" once it listens.
"""
import argparse
import http.server
import json
import pathlib
import re
import signal
import sys
import threading
import urllib.parse

GONE = b"Error, we cannot find this paste."


class Site(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "nginx"
    sys_version = ""
    folder = pathlib.Path(".")
    lock = threading.Lock()

    def do_GET(self):
        with Site.lock, open(self.folder / "requests.log", "a", encoding="utf-8") as log:
            log.write(self.path + "\n")
        url = urllib.parse.urlsplit(self.path)
        asked = urllib.parse.parse_qs(url.query)
        if url.path == "/api_scraping.php":
            self.reply(200, "application/json", self.newest(int(asked.get("limit", ["50"])[0])))
        elif url.path == "/api_scrape_item.php":
            self.reply(200, "text/plain; charset=utf-8", self.item(asked.get("i", [""])[0]))
        else:
            self.reply(404, "text/html", b"<h1>Not Found</h1>\n")

    def newest(self, count):
        listed = json.loads((self.folder / "list.json").read_text(encoding="utf-8"))
        return json.dumps(listed[:count], indent=4).encode()

    def item(self, key):
        path = self.folder / "items" / key
        return path.read_bytes() if re.fullmatch(r"[A-Za-z0-9]{1,16}", key) and path.exists() else GONE

    def reply(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", required=True)
    parser.add_argument("folder", type=pathlib.Path)
    chosen = parser.parse_args()
    host, port = chosen.listen.rsplit(":", 1)
    Site.folder = chosen.folder
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with http.server.ThreadingHTTPServer((host, int(port)), Site) as server:
        server.daemon_threads = True
        print("ready", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
