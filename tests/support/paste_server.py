#!/usr/bin/python3
"""paste_server.py --listen HOST:PORT FOLDER: answers as Pastebin's scraping API does, from files that a test may change meanwhile.

    /api_scraping.php?limit=N      FOLDER/list.json, its first N items; FOLDER/list.raw as it is, where there is one
    /api_scrape_item.php?i=KEY     FOLDER/items/KEY, or the site's own sentence with status 200 when there is none
    anything else                  404

    /robots.txt                    FOLDER/robots.txt, where there is one; 500 when it is empty

FOLDER/etags, when it is there, gives lists an ETag; a request that names it is answered with 304. FOLDER/heads/KEY, or list, may name other header fields for an answer, as JSON.

Each path asked for is a line of FOLDER/requests.log, with " 304" behind it where that was the answer. Prints "ready" once it listens.
"""
import argparse
import hashlib
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
        url = urllib.parse.urlsplit(self.path)
        unchanged = url.path == "/api_scraping.php" and self.etag() is not None and self.headers.get("If-None-Match") == self.etag()
        with Site.lock, open(self.folder / "requests.log", "a", encoding="utf-8") as log:
            log.write(self.path + (" 304" if unchanged else "") + "\n")
        asked = urllib.parse.parse_qs(url.query)
        if unchanged:
            self.send_response(304)
            self.end_headers()
        elif url.path == "/api_scraping.php":
            self.reply(200, "application/json", self.newest(int(asked.get("limit", ["50"])[0])), self.head("list"))
        elif url.path == "/api_scrape_item.php":
            key = asked.get("i", [""])[0]
            self.reply(200, "text/plain; charset=utf-8", self.item(key), self.head(key))
        elif url.path == "/robots.txt" and (self.folder / "robots.txt").exists():
            text = (self.folder / "robots.txt").read_bytes()
            self.reply(200 if text else 500, "text/plain", text)
        else:
            self.reply(404, "text/html", b"<h1>Not Found</h1>\n")

    def newest(self, count):
        if (self.folder / "list.raw").exists():
            return (self.folder / "list.raw").read_bytes()
        listed = json.loads((self.folder / "list.json").read_text(encoding="utf-8"))
        return json.dumps(listed[:count], indent=4).encode()

    def etag(self):
        """Of the list as it is now; None where the site gives none."""
        listed = self.folder / "list.json"
        return '"' + hashlib.sha256(listed.read_bytes()).hexdigest() + '"' if (self.folder / "etags").exists() and listed.exists() else None

    def item(self, key):
        path = self.folder / "items" / key
        return path.read_bytes() if re.fullmatch(r"[A-Za-z0-9]{1,16}", key) and path.exists() else GONE

    def head(self, key):
        if key == "list" and self.etag() is not None:
            return {"ETag": self.etag()}
        path = self.folder / "heads" / key
        return json.loads(path.read_text()) if re.fullmatch(r"[A-Za-z0-9]{1,16}", key) and path.exists() else {}

    def reply(self, status, kind, body, head=()):
        self.send_response(status)
        for name, value in {"Content-Type": kind, **dict(head)}.items():
            self.send_header(name, value)
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
