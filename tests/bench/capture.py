"""Many small pages captured at once, over HTTP/1.1 from nginx on the same machine, pace 0: ours into WARC files alone, and as groups of
captures in a vault with its log, durable; beside `wget --warc-file` and a loop over libcurl's multi interface that keeps nothing. All over
the same list, in turn. What ours wrote is read back and held against the pages before its figures are told.
IMPOUND_BENCH_CAPTURE_PAGES says how many (20000); a fifth of that is captured before the time is taken."""
import gzip
import json
import os
import random
import shutil
import string
import subprocess
import time
import zlib

import harness
from custody import drop_from_cache

PAGES = int(os.environ.get("IMPOUND_BENCH_CAPTURE_PAGES", "20000"))
ROUNDS = int(os.environ.get("IMPOUND_BENCH_ROUNDS", "3"))
READ_BACK = 4_000  # captures whose members are compressed again, by zlib 6
PROGRAM = harness.BUILD / "tests" / "many_captures"


def make_pages(folder, count):
    """Pages of 2 to 50 KB that compress to about a half, each its own; their names."""
    dice = random.Random(20170505)
    letters = string.ascii_lowercase
    words = ["".join(dice.choices(letters, k=dice.randint(2, 9))) for _ in range(3_000)]
    text = " ".join(word if dice.random() < 0.8 else "".join(dice.choices(string.ascii_letters + string.digits, k=14)) for word in dice.choices(words, k=400_000))
    names = []
    for number in range(count):
        name = f"{number // 1000:03}/{number}.txt"
        path = folder / name
        if number % 1000 == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        size, start = dice.randint(2_000, 50_000), dice.randrange(len(text) - 50_000)
        path.write_text(f"page {number}\n" + text[start:start + size])
        names.append(name)
    return names


def bytes_below(folder):
    return sum(path.stat().st_size for path in folder.rglob("*.warc.gz"))


def ours(mode, listed, warm_up, folder, env):
    log = listed.parent / "log"
    with open(log, "w", encoding="utf-8") as lines:
        ended = subprocess.run([PROGRAM, mode, listed, str(warm_up), folder], env=env, stdout=subprocess.PIPE, stderr=lines, text=True, check=False)
    assert ended.returncode == 0, log.read_text()[-2000:]
    return json.loads(ended.stdout.splitlines()[-1])


def wget(listed, folder, env):
    began = time.monotonic()
    before = os.times()
    subprocess.run(["wget", "-q", "-i", listed, f"--warc-file={folder / 'pages'}", "-O", "/dev/null"], env=env, check=True)
    after = os.times()
    return {"wall": time.monotonic() - began, "cpu": after.children_user + after.children_system - before.children_user - before.children_system}


def members(path):
    """Of each gzip member how many bytes it has, and what it holds."""
    with open(path, "rb") as file:
        left = b""
        while left or (left := file.read(1 << 16)):
            stream, plain, size = zlib.decompressobj(zlib.MAX_WBITS | 16), [], 0
            while not stream.eof:
                left = left or file.read(1 << 16)
                assert left, f"{path} ends within a member"
                plain.append(stream.decompress(left))
                size, left = size + len(left) - len(stream.unused_data), stream.unused_data
            yield size, b"".join(plain)


def read_back(warcs, pages, captures):
    """Holds every body against its page; our bytes against zlib 6's, over the first captures."""
    took = zlib_took = 0
    seen = []
    for warc in sorted(warcs):
        for size, plain in members(warc):
            if len(seen) < READ_BACK:
                took, zlib_took = took + size, zlib_took + len(gzip.compress(plain, 6))
            head, _, block = plain.partition(b"\r\n\r\n")
            if b"WARC-Type: response" in head:
                name = head.split(b"WARC-Target-URI: ")[1].split(b"\r\n")[0].decode().split("/", 3)[3]
                assert block[:-4].partition(b"\r\n\r\n")[2] == (pages / name).read_bytes(), name
                seen.append(name)
    assert len(seen) == captures, f"{len(seen)} responses of {captures}"
    return took / zlib_took


def rounds(world, pages, port, names):
    warm_up = len(names) // 5
    url = f"http://127.0.0.1:{port}/"
    listed = {"ours": world.folder / "with-warm-up", "wget": world.folder / "list"}
    listed["wget"].write_text("".join(f"{url}{name}\n" for name in names))
    listed["ours"].write_text("".join(f"{url}{name}\n" for name in names[:warm_up] + names))
    runs = {}
    for number in range(ROUNDS):
        folder = world.folder / f"round-{number}"
        (folder / "alone").mkdir(parents=True)
        world.vault = folder / "vault"
        env = {**world.env, "HOME": str(folder)}
        world.impound("init", "--vault", world.vault, "--origin", "test.example/custody", HOME=str(folder))
        for one in ("loop", "warc", "vault"):
            runs.setdefault(one, []).append(ours(one, listed["ours"], warm_up, world.vault if one == "vault" else folder / "alone", env))
            assert runs[one][-1]["whole"] == warm_up + len(names), runs[one][-1]
            os.sync()
        for one, where in (("warc", folder / "alone"), ("vault", world.vault)):
            runs[one][-1]["bytes"] = bytes_below(where) * len(names) / (warm_up + len(names))
            if number == 0:
                runs[one][-1]["of_zlib_6"] = read_back(where.rglob("*.warc.gz"), pages, warm_up + len(names))
        if number == 0:
            world.impound("verify", world.vault, "--json", HOME=str(folder), seconds=600)
        if shutil.which("wget"):
            runs.setdefault("wget", []).append(wget(listed["wget"], folder, env))
            runs["wget"][-1]["bytes"] = bytes_below(folder) - bytes_below(folder / "alone") - bytes_below(world.vault)
        os.sync()
        drop_from_cache(path for path in folder.rglob("*.warc.gz"))
        shutil.rmtree(folder)
    return runs


CALLED = {"loop": "libcurl multi, keeps nothing", "warc": "ours, WARC alone", "vault": "ours, with log and vault", "wget": "wget --warc-file"}


def best(runs, key):
    """Of what others on the machine disturb, the run that they disturbed least."""
    return min(run[key] for run in runs)


def tell(runs, count):
    for one, name in CALLED.items():
        if one not in runs:
            continue
        wall, cpu = best(runs[one], "wall"), max(best(runs[one], "cpu"), 0.001)
        written = f", {best(runs[one], 'bytes') / 1e6:.1f} MB of WARC" if "bytes" in runs[one][0] else ""
        print(f"  {name:<28} {count / wall:7.0f} captures/s, {count / cpu:7.0f} a CPU second{written}", flush=True)
    targets = {"warc": 7, "vault": 4.5}
    for one, target in targets.items():
        said = [f"{best(runs['loop'], 'wall') / best(runs[one], 'wall'):.2f} of the bare loop (target 0.25), by CPU {best(runs['loop'], 'cpu') / best(runs[one], 'cpu'):.2f}",
                f"output {runs[one][0]['of_zlib_6']:.3f} of zlib 6 (target 1.05)"]
        if "wget" in runs:
            said.insert(0, f"{best(runs['wget'], 'wall') / best(runs[one], 'wall'):.2f} times wget (target {target}), by CPU {best(runs['wget'], 'cpu') / best(runs[one], 'cpu'):.2f}")
        print(f"  {CALLED[one]}: {'; '.join(said)}", flush=True)
        last = runs[one][-1]
        print(f"    memory {last['resident_before'] / 1024:.1f} MiB after {count // 5} captures, {last['resident_after'] / 1024:.1f} after {count // 5 + count}; "
              f"descriptors {last['descriptors_before']}, {last['descriptors_after']}", flush=True)


def test_bench(world):
    harness.need("nginx")
    pages = world.folder / "pages"
    names = make_pages(pages, PAGES)
    port = world.nginx(pages, more="keepalive_requests 1000000; access_log off;")
    if not shutil.which("wget"):
        print("wget is not installed: not compared", flush=True)
    runs = rounds(world, pages, port, names)
    versions = [subprocess.run(words, capture_output=True, text=True, check=True) for words in (["nginx", "-v"], ["wget", "-V"]) if shutil.which(words[0])]
    print(f"{PAGES} captures, best of {ROUNDS}; libcurl {runs['loop'][0]['curl']}, {', '.join((one.stdout + one.stderr).splitlines()[0] for one in versions)}"
          f" · {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    tell(runs, PAGES)


if __name__ == "__main__":
    harness.main(globals())
