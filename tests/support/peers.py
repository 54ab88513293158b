"""Torrents and those who have them: what the functional tests and the demo put on the other side of the swarm."""
import hashlib
import json
import os
import pathlib
import subprocess
import urllib.error
import urllib.request

import harness


class Torrent:
    """A .torrent file and what it is called by."""

    def __init__(self, path, made):
        self.path = pathlib.Path(path)
        self.v1, self.v2 = made.get("v1"), made.get("v2")

    def magnet(self):
        names = [f"xt=urn:btih:{self.v1}"] if self.v1 else []
        names += [f"xt=urn:btmh:1220{self.v2}"] if self.v2 else []
        return "magnet:?" + "&".join(names)


class Peer:
    """A program that takes part in a swarm, at HOST:PORT; what it has to say is a line of JSON each."""

    def __init__(self, running, address):
        self.running, self.address = running, address

    def counts(self):
        """Everything it said so far, one over the other; what it counted comes when it ends."""
        said = {}
        for line in self.running.output().splitlines():
            if line.startswith("{"):
                said.update(json.loads(line))
        return said


def start(world, program, host, *words):
    """Starts one of the peers beside this file, on a port of its own choice."""
    harness.need_module("libtorrent")
    running = world.start(program, [harness.PYTHON, harness.SUPPORT / f"{program}.py", *words, "--listen", f"{host}:0"])
    running.wait_for_line('"port"')
    peer = Peer(running, "")
    peer.address = f"{host}:{peer.counts()['port']}"
    return peer


def fresh(world, name):
    """A path that nothing has yet."""
    return world.folder / f"{len(os.listdir(world.folder))}-{name}"


def make_torrent(world, content, kind, piece_size=16 << 10, trackers=(), private=False, symlinks=False, web_seeds=()):
    """A v1, v2 or hybrid torrent of a file or folder."""
    harness.need_module("libtorrent")
    path = fresh(world, "made.torrent")
    words = [harness.PYTHON, harness.SUPPORT / "make_torrent.py", content, path, "--version", kind, "--piece-size", piece_size]
    for url in trackers:
        words += ["--tracker", url]
    for url in web_seeds:
        words += ["--web-seed", url]
    if private:
        words.append("--private")
    if symlinks:
        words.append("--symlinks")
    ended = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended
    return Torrent(path, json.loads(ended.stdout))


def torrent_of_raw_names(world, folder, files, links=()):
    """A v1 torrent with names of any bytes, written by hand: (what a libtorrent seeder has it under, torrent, {path: SHA-256}).
    `links`: paths with the parts of what they point to."""
    harness.need_module("libtorrent")
    import libtorrent
    payload = [(path, os.urandom(size)) for path, size in files]
    joined = b"".join(content for _, content in payload)
    pieces = b"".join(hashlib.sha1(joined[at:at + 16384]).digest() for at in range(0, len(joined), 16384))
    info = {b"name": folder[0], b"piece length": 16384, b"pieces": pieces,
            b"files": [{b"attr": b"l", b"length": 0, b"path": path, b"symlink path": target} for path, target in links]
                      + [{b"length": len(content), b"path": path} for path, content in payload]}
    path = fresh(world, "raw-names.torrent")
    path.write_bytes(libtorrent.bencode({b"info": info}))
    seeded = fresh(world, "raw-names")
    under = libtorrent.torrent_info(str(path)).files()
    for index, (_, content) in enumerate(payload):
        file = seeded / under.file_path(len(links) + index)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    torrent = Torrent(path, {"v1": hashlib.sha1(libtorrent.bencode(info)).hexdigest()})
    return seeded, torrent, {b"/".join(folder + name): hashlib.sha256(content).hexdigest() for name, content in payload}


def seeder(world, torrent, save, rate=0, host="127.0.0.2", in_part=False):
    """A libtorrent seed of what lies under `save`, or of what is right of it; `rate` in bytes a second, 0 for no limit."""
    return start(world, "seeder", host, torrent.path, save, *(["--rate", rate] if rate else []), *(["--in-part"] if in_part else []))


def leecher(world, torrent, host="127.0.0.5"):
    """A libtorrent client that has nothing, wants everything, and knows only who dials it."""
    return start(world, "leecher", host, torrent.path, fresh(world, "leeched"))


def tracker(world, peer, host="127.0.0.6"):
    """The announce URL of an HTTP tracker that names this one peer."""
    return f"http://{start(world, 'tracker', host, '--peer', peer.address).address}/announce"


def transmission(world, torrent, save, host="127.0.0.1"):
    """transmission-daemon as a seed: an implementation that shares no code with ours."""
    harness.need("transmission-daemon")
    rpc, port = harness.free_port(host), harness.free_port(host)
    folder = fresh(world, "transmission")
    folder.mkdir()
    (folder / "settings.json").write_text(json.dumps({
        "rpc-bind-address": host, "rpc-port": rpc, "rpc-whitelist-enabled": False, "rpc-host-whitelist-enabled": False, "rpc-authentication-required": False,
        "bind-address-ipv4": host, "bind-address-ipv6": "::1", "peer-port": port, "dht-enabled": False, "lpd-enabled": False, "pex-enabled": False,
        "port-forwarding-enabled": False, "utp-enabled": False, "download-dir": str(save), "encryption": 1}))
    running = world.start("transmission", ["transmission-daemon", "-f", "-g", folder])
    harness.wait_until(lambda: harness.answers(rpc, host), 20, "transmission-daemon")
    ask = Rpc(f"http://{host}:{rpc}/transmission/rpc")
    ask("torrent-add", {"filename": str(torrent.path), "download-dir": str(save)})

    def seeding():
        listed = ask("torrent-get", {"fields": ["percentDone", "status"]})["torrents"]
        return listed and listed[0]["percentDone"] == 1 and listed[0]["status"] == 6
    harness.wait_until(seeding, 30, "transmission to have checked what it seeds")
    return Peer(running, f"{host}:{port}")


def qbittorrent(world, torrent, save, host="127.0.0.1"):
    """qbittorrent-nox as a seed, with a profile of its own and nothing on but the one port."""
    harness.need("qbittorrent-nox")
    web, port = harness.free_port(host), harness.free_port(host)
    profile = fresh(world, "qbittorrent")
    config = profile / "qBittorrent" / "config"
    config.mkdir(parents=True)
    (config / "qBittorrent.conf").write_text(
        "[LegalNotice]\nAccepted=true\n"
        f"[BitTorrent]\nSession\\Port={port}\nSession\\InterfaceAddress={host}\nSession\\DHTEnabled=false\nSession\\LSDEnabled=false\n"
        f"Session\\PeXEnabled=false\nSession\\BTProtocol=TCP\nSession\\DefaultSavePath={save}\n"
        f"[Network]\nPortForwardingEnabled=false\n"
        f"[Preferences]\nWebUI\\Address={host}\nWebUI\\Port={web}\nWebUI\\LocalHostAuth=false\nWebUI\\UseUPnP=false\n")
    running = world.start("qbittorrent", ["qbittorrent-nox", f"--profile={profile}", f"--save-path={save}", torrent.path])
    harness.wait_until(lambda: harness.answers(web, host), 30, "qbittorrent-nox")

    def seeding():
        with urllib.request.urlopen(f"http://{host}:{web}/api/v2/torrents/info", timeout=10) as answer:
            listed = json.load(answer)
        return listed and listed[0]["progress"] == 1 and listed[0]["state"] in ("uploading", "stalledUP", "forcedUP")
    harness.wait_until(seeding, 60, "qbittorrent to have checked what it seeds")
    return Peer(running, f"{host}:{port}")


class Rpc:
    """transmission's JSON-RPC; the first answer is a 409 that gives the session id."""

    def __init__(self, url):
        self.url, self.session = url, ""

    def __call__(self, method, arguments):
        body = json.dumps({"method": method, "arguments": arguments}).encode()
        for _ in range(2):
            request = urllib.request.Request(self.url, body, {"X-Transmission-Session-Id": self.session})
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    said = json.load(answer)
                    assert said["result"] == "success", said
                    return said["arguments"]
            except urllib.error.HTTPError as refused:
                if refused.code != 409:
                    raise
                self.session = refused.headers["X-Transmission-Session-Id"]
        raise AssertionError("transmission gives no session id")
