"""The program against what people use instead, in one run: fetch, verify, extract. Each line: ours, the peer's, the ratio of the peer's
wall time to ours (above 1 we are faster), and the same of CPU time. Every result is checked before it is timed."""
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import time

import harness
import peers

FILES = 10_000
FILE_BYTES = 10_000
TEXT_BYTES = 128 << 20
ROUNDS = 3


def timed(words, **more):
    """Wall and CPU seconds of a command and its children, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, **more)
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def compare(name, ours, peer_name, peer, amount):
    """Rounds in turn; medians. `ours` and `peer` run once and give (wall, cpu, output)."""
    pairs = [(ours(), peer()) for _ in range(ROUNDS)]
    wall = [statistics.median(pair[side][0] for pair in pairs) for side in (0, 1)]
    cpu = [statistics.median(pair[side][1] for pair in pairs) for side in (0, 1)]
    print(f"{name:<34} {wall[0]:7.2f} s ({amount / wall[0] / 1e6:6.0f} MB/s)   {peer_name}: {wall[1]:7.2f} s   "
          f"ratio {wall[1] / wall[0]:5.2f} wall, {cpu[1] / max(cpu[0], 1e-3):5.2f} cpu", flush=True)


def fetch_and_verify(world):
    seeded = world.folder / "seeded"
    for number in range(FILES):
        harness.write_bytes(seeded / "leak" / f"{number // 500:03}" / f"{number}.eml", FILE_BYTES, f"mail {number}")
    torrent = peers.make_torrent(world, seeded / "leak", "v1", piece_size=256 << 10)
    peer = peers.seeder(world, torrent, seeded)
    amount = FILES * FILE_BYTES
    rounds = iter(range(100))

    def fetch():
        vault = world.folder / f"vault-{next(rounds)}"
        world.impound("init", "--vault", vault, "--origin", "bench.example/custody")
        taken = timed([harness.PROGRAM, "fetch", torrent.path, "--peer", peer.address, "--vault", vault], env=world.env)
        world.kept = vault
        return taken

    def leech_and_hash():
        folder = world.folder / f"leech-{next(rounds)}"
        folder.mkdir()
        script = ('/usr/bin/python3 "$1" "$2" "$3" --dial "$4" >/dev/null && find "$3" -type f -print0 | xargs -0 sha256sum > "$3.sums" '
                  '&& sync -f "$3"')
        return timed(["bash", "-c", script, "bench", harness.SUPPORT / "leecher.py", torrent.path, folder, peer.address], env=world.env)

    compare(f"fetch, {FILES} files of {FILE_BYTES} bytes", fetch, "libtorrent client, sha256sum, sync", leech_and_hash, amount)

    objects = sorted((world.kept / "objects").glob("*/*"))
    assert len(objects) >= FILES, len(objects)
    sums = world.folder / "sums"
    sums.write_text("".join(f"{path.name}  {path}\n" for path in objects))

    def verify():
        taken = timed([harness.PROGRAM, "verify", world.kept], env=world.env)
        assert "OK" in taken[2], taken
        return taken

    compare(f"verify, {len(objects)} objects, warm", verify, "sha256sum -c",
            lambda: timed(["sha256sum", "--quiet", "--strict", "-c", sums]), amount)


def extract(world):
    words = random.Random(7)
    vocabulary = ["".join(words.choices("abcdefghijklmnopqrstuvwxyz", k=words.randrange(2, 11))) for _ in range(5_000)]
    text = world.folder / "corpus.txt"
    magnets = 0
    with open(text, "w") as out:
        while out.tell() < TEXT_BYTES:
            lines = [" ".join(words.choices(vocabulary, k=12)) for _ in range(1_000)]
            lines[words.randrange(1_000)] += f" magnet:?xt=urn:btih:{words.getrandbits(160):040x}"
            magnets += 1
            out.write("\n".join(lines) + "\n")
    pattern = r"magnet:\?[^[:space:]\"<>]*|https?://[^[:space:]\"<>]+\.torrent"

    def ours():
        taken = timed([harness.PROGRAM, "extract", text], env=world.env)
        assert sum("magnet:" in line for line in taken[2].splitlines()) == magnets, "every planted magnet is found"
        return taken

    def grep():
        taken = timed(["grep", "-aoiE", pattern, text], env={**os.environ, "LC_ALL": "C"})
        assert len(taken[2].splitlines()) == magnets
        return taken

    compare("extract, all kinds of reference", ours, "grep -oiE, two kinds", grep, text.stat().st_size)
    if shutil.which("rg"):
        compare("extract, all kinds of reference", ours, "ripgrep, two kinds",
                lambda: timed(["rg", "-aoiN", r"magnet:\?[^\s\"<>]*|https?://[^\s\"<>]+\.torrent", text]), text.stat().st_size)


def test_bench(world):
    print(subprocess.run(["sha256sum", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0],
          "·", subprocess.run(["grep", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0],
          "· python", sys.version.split()[0])
    fetch_and_verify(world)
    extract(world)


if __name__ == "__main__":
    harness.main(globals())
