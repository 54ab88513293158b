#!/usr/bin/python3
"""web_seed.py FOLDER [--listen IP:PORT] [--habits JSON]

Serves FOLDER until SIGTERM, with the habits of servers that hold payload. Prints {"port": …}, and at the end
{"requests": [[path, range, status], …], "bytes": …}.
Habits: "to": URL (each path is answered with 302 to URL + path), "gone": [part of a path…] (404), "no_ranges": true,
"other_ranges": true (a 206 of other bytes), "drip": bytes a second, "refuse": N (the first N requests: 503), "retry_after",
"leave_after": bytes of bodies, after which it breaks off and ends itself, "coded": true (gzip that nobody asked for),
"strip": text in front of paths, "script": .torrent (BEP 17, asked for pieces at any path), "torrent_name": the folder it seeds."""
import argparse
import gzip
import http.server
import json
import os
import re
import signal
import sys
import threading
import urllib.parse

options = argparse.ArgumentParser()
options.add_argument("folder")
options.add_argument("--listen", default="127.0.0.1:0")
options.add_argument("--habits", default="{}")
given = options.parse_args()
habits = json.loads(given.habits) or {}
requests = []
counted = {"bytes": 0}
lock = threading.Lock()
ended = threading.Event()


def say(**what):
    print(json.dumps(what), flush=True)


def piece_bytes(torrent, index):
    import libtorrent as lt
    info = lt.torrent_info(torrent)
    found = b""
    for part in info.map_block(index, 0, info.piece_size(index)):
        path = info.files().file_path(part.file_index)
        if info.files().file_flags(part.file_index) & lt.file_storage.flag_pad_file:
            found += bytes(part.size)
            continue
        with open(os.path.join(given.folder, path), "rb") as file:
            file.seek(part.offset)
            found += file.read(part.size)
    return found


class Seed(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        with lock:
            requests.append([self.path, self.headers.get("Range", ""), status])
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.send_body(body)

    def send_body(self, body):
        step = max(habits["drip"] // 4, 1) if "drip" in habits else 1 << 16
        for at in range(0, len(body), step):
            part = body[at:at + step]
            with lock:
                room = habits.get("leave_after", 1 << 62) - counted["bytes"]
                counted["bytes"] += min(len(part), max(room, 0))
            self.wfile.write(part[:max(room, 0)])
            if room < len(part):
                self.wfile.flush()
                say(left=True)
                os._exit(0)
            if "drip" in habits and ended.wait(0.25):
                return

    def do_GET(self):
        path = urllib.parse.unquote(self.path)
        if "to" in habits:
            return self.answer(302, b"elsewhere", Location=habits["to"] + self.path)
        with lock:
            refused = habits.get("refuse", 0) > 0
            habits["refuse"] = habits.get("refuse", 0) - 1
        if refused:
            return self.answer(503, b"later", Retry_After=str(habits.get("retry_after", 1)))
        if any(gone in path for gone in habits.get("gone", [])):
            return self.answer(404, b"no such file")
        if "script" in habits:
            asked = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
            return self.answer(200, piece_bytes(habits["script"], int(asked["piece"][0])))
        name = path.removeprefix(habits.get("strip", "")).lstrip("/")
        try:
            with open(os.path.join(given.folder, name), "rb") as file:
                body = file.read()
        except OSError:
            return self.answer(404, b"no such file")
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if habits.get("coded"):
            return self.answer(200, gzip.compress(body), Content_Encoding="gzip")
        if not asked or habits.get("no_ranges"):
            return self.answer(200, body)
        first, last = int(asked[1]), int(asked[2])
        if first >= len(body):
            return self.answer(416, b"", Content_Range=f"bytes */{len(body)}")
        if habits.get("other_ranges"):
            first += 1
        last = min(last, len(body) - 1)
        return self.answer(206, body[first:last + 1], Content_Range=f"bytes {first}-{last}/{len(body)}")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


def stop(*_):
    ended.set()
    say(requests=requests, bytes=counted["bytes"])
    os._exit(0)


signal.signal(signal.SIGTERM, stop)
host, port = given.listen.rsplit(":", 1)
server = Server((host, int(port)), Seed)
say(port=server.server_port)
sys.stdout.flush()
server.serve_forever()
