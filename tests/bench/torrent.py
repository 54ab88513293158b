"""A torrent whole and hashed against what people use instead, in one run: qbittorrent-nox, aria2c and a libtorrent client tuned and with
its posix back end, each alone and with a sha256sum of what it loaded. Ours is the whole `impound fetch` into a fresh vault: until the last
file is sealed under a signed checkpoint, durable. One libtorrent seed for all, in turn; every result is proven before it is timed.
IMPOUND_BENCH_TORRENT_MIB says how large the two torrents are (2048)."""
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import time
import urllib.parse
import urllib.request

import harness
import peers
from custody import drop_from_cache

SIZE = int(os.environ.get("IMPOUND_BENCH_TORRENT_MIB", "2048")) << 20
MANY = 5_000
ROUNDS = 3
HOST = "127.0.0.1"
TICKS = os.sysconf("SC_CLK_TCK")


class Watched:
    """A process and those it starts: CPU seconds of each program by its name, and the peak of their memory (PSS) together."""

    def __init__(self, words, env):
        self.cpu, self.peak_bytes, self.process = {}, 0, subprocess.Popen([str(word) for word in words], env=env, stdout=subprocess.DEVNULL,
                                                                          stderr=subprocess.PIPE)
        self.began, self.next_memory = time.monotonic(), 0.0

    def family(self, pid):
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid] + [one for child in children for one in self.family(int(child))]

    def look(self):
        try:
            family = self.family(self.process.pid)
            for pid in family:
                name, fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)
                fields = fields.split()
                self.cpu[name.split("(", 1)[1]] = (int(fields[11]) + int(fields[12])) / TICKS
            if time.monotonic() >= self.next_memory:
                self.next_memory = time.monotonic() + 0.2
                rollups = "".join(pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in family)
                self.peak_bytes = max(self.peak_bytes, sum(int(line.split()[1]) << 10 for line in rollups.splitlines() if line.startswith("Pss:")))
        except OSError:
            pass  # one of them just ended

    def wait(self):
        """Wall seconds until it has ended, well."""
        while self.process.poll() is None:
            self.look()
            time.sleep(0.02)
        wall = time.monotonic() - self.began
        assert self.process.returncode == 0, self.process.stderr.read()
        return wall


def hashed(folder):
    """Seconds that sha256sum takes for everything under a folder, and what it says, sorted."""
    began = time.monotonic()
    said = subprocess.run(["bash", "-c", 'find "$1" -type f -print0 | xargs -0 sha256sum', "bench", str(folder)], capture_output=True, text=True, check=True)
    return time.monotonic() - began, sorted(line.split()[0] for line in said.stdout.splitlines())


def run_of(watched, wall, folder, digests):
    hashing, found = hashed(folder)
    assert found == digests, "what it loaded is what was seeded"
    return {"wall": wall, "with_sums": wall + hashing, "cpu": sum(watched.cpu.values()), "cpu_of": watched.cpu, "peak": watched.peak_bytes}


def impound(world, torrent, peer, folder, digests):
    vault = folder / "vault"
    world.impound("init", "--vault", vault, "--origin", "bench.example/custody")
    watched = Watched([harness.PROGRAM, "fetch", torrent.path, "--peer", peer.address, "--vault", vault], world.env)
    wall = watched.wait()
    kept = {path.name for path in (vault / "objects").glob("*/*")}
    assert kept >= set(digests), "every file is sealed under its SHA-256"
    return {"wall": wall, "with_sums": wall, "cpu": sum(watched.cpu.values()), "cpu_of": watched.cpu, "peak": watched.peak_bytes}


def tuned_libtorrent(world, torrent, peer, folder, digests):
    watched = Watched([harness.BUILD / "tests" / "tuned_leecher", torrent.path, folder / "loaded", *peer.address.split(":")], world.env)
    return run_of(watched, watched.wait(), folder / "loaded", digests)


def aria2(world, torrent, peer, folder, digests):
    tracker = peers.tracker(world, peer)
    watched = Watched(["aria2c", "-q", "--enable-dht=false", "--bt-enable-lpd=false", "--enable-peer-exchange=false", "--seed-time=0",
                       "--allow-overwrite=true", f"--bt-tracker={tracker}", "--file-allocation=falloc", "-d", folder / "loaded", torrent.path], world.env)
    return run_of(watched, watched.wait(), folder / "loaded", digests)


def qbittorrent(world, torrent, peer, folder, digests):
    web = harness.free_port(HOST)
    config = folder / "qBittorrent" / "config"
    config.mkdir(parents=True)
    (config / "qBittorrent.conf").write_text(
        "[LegalNotice]\nAccepted=true\n"
        f"[BitTorrent]\nSession\\Port={harness.free_port(HOST)}\nSession\\InterfaceAddress={HOST}\nSession\\DHTEnabled=false\nSession\\LSDEnabled=false\n"
        f"Session\\PeXEnabled=false\nSession\\BTProtocol=TCP\nSession\\DefaultSavePath={folder / 'loaded'}\n"
        "[Network]\nPortForwardingEnabled=false\n"
        f"[Preferences]\nWebUI\\Address={HOST}\nWebUI\\Port={web}\nWebUI\\LocalHostAuth=false\nWebUI\\UseUPnP=false\n")
    watched = Watched(["qbittorrent-nox", f"--profile={folder}", f"--save-path={folder / 'loaded'}", torrent.path], world.env)
    api = f"http://{HOST}:{web}/api/v2/torrents"

    def listed():
        with urllib.request.urlopen(f"{api}/info", timeout=10) as answer:
            return json.load(answer)
    try:
        harness.wait_until(lambda: harness.answers(web, HOST), 30, "qbittorrent-nox")
        harness.wait_until(listed, 30, "its torrent")
        began = time.monotonic()
        form = urllib.parse.urlencode({"hashes": torrent.v1, "peers": peer.address}).encode()
        with urllib.request.urlopen(f"{api}/addPeers", form, timeout=10):
            pass
        deadline = began + 600
        while listed()[0]["progress"] < 1:
            assert time.monotonic() < deadline, "qbittorrent-nox did not load it"
            watched.look()
            time.sleep(0.1)
        wall = time.monotonic() - began
        watched.look()
        return run_of(watched, wall, folder / "loaded", digests)
    finally:
        watched.process.terminate()
        watched.process.wait(30)


CLIENTS = {"impound": impound, "libtorrent, tuned": tuned_libtorrent, "qbittorrent-nox": qbittorrent, "aria2c": aria2}


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def compare(world, name, files, plain_target):
    seeded = world.folder / "seeded"
    for number in range(files):
        path = seeded / "leak" / f"{number // 500:03}" / f"{number}.eml"
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            left = SIZE // files
            while left > 0:
                left -= file.write(os.urandom(min(left, 1 << 20)))
    torrent = peers.make_torrent(world, seeded / "leak", "v1", piece_size=1 << 20)
    digests = hashed(seeded)[1]
    peer = peers.seeder(world, torrent, seeded)
    clients = [one for one in CLIENTS if one in ("impound", "libtorrent, tuned") or shutil.which(one)]
    for one in CLIENTS.keys() - set(clients):
        print(f"{one} is not installed: not compared", flush=True)
    runs, folders = {one: [] for one in clients}, []
    for number in range(ROUNDS):
        for one in clients:
            folder = world.folder / f"{files}-{number}-{one.split(',')[0]}"
            folder.mkdir()
            runs[one].append(CLIENTS[one](world, torrent, peer, folder, digests))
            os.sync()
            drop_from_cache(path for path in folder.rglob("*") if path.is_file())
            folders.append(folder)
    peer.running.stop()
    for folder in (seeded, *folders):  # not before: ext4 is slow to make files where many were just deleted
        shutil.rmtree(folder)
    print(f"{name}, {SIZE >> 20} MiB, medians of {ROUNDS}:", flush=True)
    for one in clients:
        each = ", ".join(f"{program} {statistics.median(run['cpu_of'].get(program, 0) for run in runs[one]):.2f}" for program in runs[one][0]["cpu_of"])
        print(f"  {one:<20} {median(runs[one], 'wall'):7.2f} s, with sha256sum {median(runs[one], 'with_sums'):7.2f} s   "
              f"CPU {median(runs[one], 'cpu'):6.2f} s ({each})   peak PSS {median(runs[one], 'peak') / 1e6:6.0f} MB", flush=True)
    others = [one for one in clients if one != "impound"]
    ours, tuned = runs["impound"], runs["libtorrent, tuned"]
    worker = statistics.median(run["cpu_of"].get("impound-swarm-w", 0) for run in ours)
    print(f"  wall: {median(ours, 'wall') / min(median(runs[one], 'with_sums') for one in others):.2f} of the fastest with sha256sum (target 0.75), "
          f"{median(ours, 'wall') / min(median(runs[one], 'wall') for one in others):.2f} of the fastest download alone (target {plain_target})\n"
          f"  CPU against tuned libtorrent: worker {worker / median(tuned, 'cpu'):.2f} (target 1.4), worker and agent "
          f"{median(ours, 'cpu') / median(tuned, 'cpu'):.2f} (target 2.0); peak PSS {median(ours, 'peak') / 1e6:.0f} MB (target 96)", flush=True)


def test_bench(world):
    harness.need_module("libtorrent")
    print(subprocess.run([harness.PYTHON, "-c", "import libtorrent; print('libtorrent', libtorrent.__version__)"], capture_output=True, text=True,
                         check=True).stdout.strip(), f"· {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    compare(world, "one file", 1, 1.4)
    compare(world, f"{MANY} files", MANY, 1.15)


if __name__ == "__main__":
    harness.main(globals())
