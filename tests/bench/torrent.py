"""A torrent whole and hashed against what people use instead, in one run: qbittorrent-nox, aria2c and a libtorrent client tuned and with
its posix back end, each alone and with a sha256sum of what it loaded. Ours is the whole `impound fetch` into a fresh vault: until the last
file is sealed under a signed checkpoint, durable. One libtorrent seed for all, in turn; every result is proven before it is timed.
Then the same from a web seed (nginx) alone, beside aria2c and beside curl, which only loads the files.
IMPOUND_BENCH_TORRENT_MIB says how large the torrents are (2048), IMPOUND_BENCH_ROUNDS how often each is loaded (3),
IMPOUND_BENCH_LAYOUTS which of "one file", "many files", "mixed" and "web seed" are measured, parted by commas."""
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
ROUNDS = int(os.environ.get("IMPOUND_BENCH_ROUNDS", "3"))
HOST = "127.0.0.1"
TICKS = os.sysconf("SC_CLK_TCK")
ONE_TICK = 1 / TICKS  # a program that used less is counted with this: a small torrent costs some of them nothing that can be measured


class Watched:
    """A process and those it starts: CPU seconds of each program by its name, and the peak of their memory (PSS) together."""

    def __init__(self, words, env):
        self.main_thread = 0.0  # of the worker's CPU seconds
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
                if name.endswith("impound-swarm-w"):
                    own = pathlib.Path(f"/proc/{pid}/task/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                    self.main_thread = (int(own[11]) + int(own[12])) / TICKS
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


def one_file(size):
    yield "leak/all.tar", size


def many_files(size, count=MANY):
    for number in range(count):
        yield f"leak/{number // 500:03}/{number}.eml", size // count


def mixed(size):
    """As a dump is: a few archives with most of the bytes, photos of 3 MiB, and mails of 20 to 400 KiB, most of the files."""
    for number in range(6):
        yield f"leak/archives/{number}.tar", size * 6 // 10 // 6
    for number in range(max(1, (size * 3 // 10) // (3 << 20))):
        yield f"leak/photos/{number // 200:02}/IMG_{number:05}.jpg", 3 << 20
    left, number = size // 10, 0
    while left > 0:
        mail = (20 + number * 7919 % 380) << 10
        yield f"leak/mail/{number // 500:03}/{number}.eml", mail
        left, number = left - mail, number + 1


def make_payload(seeded, layout, size):
    for name, bytes_of_it in layout(size):
        path = seeded / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            left = bytes_of_it
            while left > 0:
                left -= file.write(os.urandom(min(left, 1 << 20)))


def run_of(watched, wall, folder, digests):
    hashing, found = hashed(folder)
    assert found == digests, "what it loaded is what was seeded"
    return {"wall": wall, "with_sums": wall + hashing, "cpu": max(sum(watched.cpu.values()), ONE_TICK), "cpu_of": watched.cpu, "peak": watched.peak_bytes}


def impound(world, torrent, peer, folder, digests):
    vault = folder / "vault"
    world.impound("init", "--vault", vault, "--origin", "bench.example/custody")
    source = ["--peer", peer.address] if peer else ["--allow-net", f"{HOST}/32"]
    watched = Watched([harness.PROGRAM, "fetch", torrent.path, *source, "--no-dht", "--vault", vault], world.env)
    wall = watched.wait()
    kept = {path.name for path in (vault / "objects").glob("*/*")}
    assert kept >= set(digests), "every file is sealed under its SHA-256"
    record, = (entry["entry"]["body"]["size"] for entry in world.impound("log", "--json", "--kind", "exhibit.sealed", "--vault", vault).json_lines()
               if entry["entry"]["body"].get("role") == "swarm_record")
    return {"wall": wall, "with_sums": wall, "cpu": max(sum(watched.cpu.values()), ONE_TICK), "cpu_of": watched.cpu, "peak": watched.peak_bytes,
            "record": record, "main_thread": watched.main_thread}


def tuned_libtorrent(world, torrent, peer, folder, digests):
    watched = Watched([harness.BUILD / "tests" / "tuned_leecher", torrent.path, folder / "loaded", *peer.address.split(":")], world.env)
    return run_of(watched, watched.wait(), folder / "loaded", digests)


def aria2(world, torrent, peer, folder, digests):
    tracker = [f"--bt-tracker={peers.tracker(world, peer)}"] if peer else []
    watched = Watched(["aria2c", "-q", "--enable-dht=false", "--bt-enable-lpd=false", "--enable-peer-exchange=false", "--seed-time=0",
                       "--allow-overwrite=true", *tracker, "--file-allocation=falloc", "-d", folder / "loaded", torrent.path], world.env)
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


def curl(world, torrent, peer, folder, digests):
    """Of a torrent with a web seed: its files, and nothing is held against anything."""
    listed = folder / "list"
    root = torrent.path.parent / "seeded"
    names = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
    listed.write_text("".join(f'url = "{torrent.web}{urllib.parse.quote(str(name))}"\noutput = "{folder / "loaded" / name}"\n' for name in names))
    watched = Watched(["curl", "-s", "--fail", "--create-dirs", "-K", listed], world.env)
    return run_of(watched, watched.wait(), folder / "loaded", digests)


CLIENTS = {"impound": impound, "libtorrent, tuned": tuned_libtorrent, "qbittorrent-nox": qbittorrent, "aria2c": aria2}


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def rounds(world, torrent, peer, candidates, digests):
    """What each client that is installed did in each round, all in turn."""
    clients = [one for one in candidates if one in ("impound", "libtorrent, tuned") or shutil.which(one)]
    for one in candidates.keys() - set(clients):
        print(f"{one} is not installed: not compared", flush=True)
    runs, folders = {one: [] for one in clients}, []
    for number in range(ROUNDS):
        for one in clients:
            while folders and shutil.disk_usage(world.folder).free < 3 * SIZE:
                shutil.rmtree(folders.pop(0))
            folder = world.folder / f"{number}-{one.split(',')[0]}"
            folder.mkdir()
            runs[one].append(candidates[one](world, torrent, peer, folder, digests))
            print(f"  round {number + 1}, {one}: {runs[one][-1]['wall']:.2f} s", flush=True)
            os.sync()
            drop_from_cache(path for path in folder.rglob("*") if path.is_file())
            folders.append(folder)
    for folder in folders:  # not before, where there is room: ext4 is slow to make files where many were just deleted
        shutil.rmtree(folder)
    return runs


def tell(name, runs):
    print(f"{name}, {SIZE >> 20} MiB, medians of {ROUNDS}:", flush=True)
    for one in runs:
        each = ", ".join(f"{program} {statistics.median(run['cpu_of'].get(program, 0) for run in runs[one]):.2f}" for program in runs[one][0]["cpu_of"])
        print(f"  {one:<20} {median(runs[one], 'wall'):7.2f} s, with sha256sum {median(runs[one], 'with_sums'):7.2f} s   "
              f"CPU {median(runs[one], 'cpu'):6.2f} s ({each})   peak PSS {median(runs[one], 'peak') / 1e6:6.0f} MB", flush=True)


def tell_record(runs):
    """What the record costs at most: the worker's main thread writes it, and does all else but the network and the disk."""
    worker = statistics.median(run["cpu_of"].get("impound-swarm-w", 0) for run in runs)
    print(f"  swarm record: {median(runs, 'record') / 1e3:.1f} kB (target below 2,000); the thread that writes it, with all else that it does: "
          f"{median(runs, 'main_thread'):.2f} s, {100 * median(runs, 'main_thread') / worker if worker else 0:.1f} % of the worker's CPU (target below 2 for the record)", flush=True)


def compare(world, name, layout, plain_target):
    seeded = world.folder / "seeded"
    make_payload(seeded, layout, SIZE)
    torrent = peers.make_torrent(world, seeded / "leak", "v1", piece_size=1 << 20)
    digests = hashed(seeded)[1]
    peer = peers.seeder(world, torrent, seeded)
    runs = rounds(world, torrent, peer, CLIENTS, digests)
    peer.running.stop()
    shutil.rmtree(seeded)
    tell(name, runs)
    others = [one for one in runs if one != "impound"]
    ours, tuned = runs["impound"], runs["libtorrent, tuned"]
    worker = statistics.median(run["cpu_of"].get("impound-swarm-w", 0) for run in ours)
    print(f"  wall: {median(ours, 'wall') / min(median(runs[one], 'with_sums') for one in others):.2f} of the fastest with sha256sum (target 0.75), "
          f"{median(ours, 'wall') / min(median(runs[one], 'wall') for one in others):.2f} of the fastest download alone (target {plain_target})\n"
          f"  CPU against tuned libtorrent: worker {worker / median(tuned, 'cpu'):.2f} (target 1.4), worker and agent "
          f"{median(ours, 'cpu') / median(tuned, 'cpu'):.2f} (target 2.0); peak PSS {median(ours, 'peak') / 1e6:.0f} MB (target 96)", flush=True)
    tell_record(ours)


def compare_web_seeds(world):
    seeded = world.folder / "seeded"
    make_payload(seeded, mixed, SIZE)
    web = f"http://{HOST}:{world.nginx(seeded)}/"
    torrent = peers.make_torrent(world, seeded / "leak", "v1", piece_size=1 << 20, web_seeds=[web])
    torrent.web = web
    runs = rounds(world, torrent, None, {"impound": impound, "aria2c": aria2, "curl": curl}, hashed(seeded)[1])
    shutil.rmtree(seeded)
    tell("mixed, from a web seed alone", runs)
    ours = runs["impound"]
    for one in runs:
        if one != "impound":
            print(f"  wall: {median(ours, 'wall') / median(runs[one], 'with_sums'):.2f} of {one} with sha256sum, {median(ours, 'wall') / median(runs[one], 'wall'):.2f} of it "
                  f"alone; CPU {median(ours, 'cpu') / median(runs[one], 'cpu'):.2f} of it alone", flush=True)


LAYOUTS = {"one file": (one_file, 1.4), "many files": (many_files, 1.15), "mixed": (mixed, 1.15)}


def test_bench(world):
    harness.need_module("libtorrent")
    print(subprocess.run([harness.PYTHON, "-c", "import libtorrent; print('libtorrent', libtorrent.__version__)"], capture_output=True, text=True,
                         check=True).stdout.strip(), f"· {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    wanted = os.environ.get("IMPOUND_BENCH_LAYOUTS", "one file,many files,mixed,web seed").split(",")
    for name in wanted:
        if name == "web seed":
            compare_web_seeds(world)
        else:
            layout, plain_target = LAYOUTS[name]
            compare(world, name, layout, plain_target)


if __name__ == "__main__":
    harness.main(globals())
