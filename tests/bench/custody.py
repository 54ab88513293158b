"""The custody log and verify against what people use instead, in one run: Go's x/mod tlog, the bare disk, sha256sum, restic. Every result
is proven first: roots equal Go's, digests equal coreutils', verdicts OK. Ratios above 1: ours is faster. Full counts with IMPOUND_TEST_ALL=1."""
import os
import shutil
import statistics
import subprocess

import harness
from whole_program import timed

BENCH = harness.BUILD / "tests" / "bench_custody"
ENTRIES = 1_000_000 if harness.ALL else 100_000
PROOF_LOG = 1_000_000
LOG = 10_000_000 if harness.ALL else 500_000
FILES = 100_000 if harness.ALL else 5_000
FILE_BYTES = 50_000
BIG = 1 << 30 if harness.ALL else 256 << 20
ROUNDS = 3


def measured(program, *words):
    """Wall and CPU seconds as the program took them, and its proof."""
    out = subprocess.run([str(program), *map(str, words)], capture_output=True, text=True, check=True).stdout.split(maxsplit=2)
    return float(out[0]), float(out[1]), out[2].strip()


def median(runs, what):
    return statistics.median(run[what] for run in runs)


def line(name, ours, peer_name, peer, target):
    """Rounds taken in turn; `ours` and `peer` are lists of (wall, cpu, …)."""
    wall, cpu = median(peer, 0) / median(ours, 0), median(peer, 1) / max(median(ours, 1), 1e-6)
    print(f"{name:<46} {median(ours, 0) * 1e3:10.1f} ms   {peer_name}: {median(peer, 0) * 1e3:10.1f} ms   ratio {wall:5.2f} wall, {cpu:5.2f} cpu   "
          f"(target {target})", flush=True)


def go_peer(world):
    harness.need("go")
    program = world.folder / "logbench"
    subprocess.run(["go", "build", "-o", program, harness.SUPPORT / "go" / "logbench" / "main.go"], check=True,
                   env={**world.env, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "", "GOCACHE": str(world.folder / "go-cache")})
    return program


def in_turn(world, ours, peer):
    """Each round in a fresh folder. They go when all are measured: ext4 does not use the inode of a file again that was deleted within
    the last seconds, and searches long for others."""
    runs, folders = ([], []), []
    for _ in range(ROUNDS):
        for side, run in enumerate((ours, peer)):
            folders.append(world.folder / f"round-{len(folders)}")
            folders[-1].mkdir()
            runs[side].append(run(folders[-1]))
    for folder in folders:
        shutil.rmtree(folder)
    return runs


def appends(world, go):
    single = 2_000
    ours, disk = in_turn(world, lambda folder: measured(BENCH, "acknowledged", folder, single + 1, 1), lambda folder: measured(BENCH, "disk", folder, single, 220))
    line(f"{single} durable appends one by one", ours, "write + fdatasync", disk, "0.9 wall")
    for mode, target in (("acknowledged", "1.5 wall, 3 cpu"), ("published", "0.25 wall")):
        ours, peer = in_turn(world, lambda folder: measured(BENCH, mode, folder, ENTRIES, 1_000), lambda folder: measured(go, "append", folder, ENTRIES, 1_000))
        assert {run[2] for run in ours} == {run[2] for run in peer}, "the root is Go's"
        line(f"{ENTRIES} entries, groups of 1,000, {mode}", ours, "Go tlog", peer, target)


def proofs(world, go):
    ours, peer = in_turn(world, lambda _: measured(BENCH, "proofs", PROOF_LOG, 100_000), lambda _: measured(go, "proofs", PROOF_LOG, 100_000))
    assert {run[2] for run in ours} == {run[2] for run in peer}, "the root is Go's"
    line("100,000 inclusion proofs at 1 M entries", ours, "Go tlog", peer, "4")


def long_log(world):
    folder = world.folder / "log"
    folder.mkdir()
    _, _, size = measured(BENCH, "log", folder, LOG)
    opened = [measured(BENCH, "open", folder) for _ in range(ROUNDS)]
    checked = [measured(BENCH, "check", folder) for _ in range(ROUNDS)]
    assert all(run[2] == str(LOG) for run in opened + checked)
    print(f"log of {LOG} entries of {size} bytes: opens in {median(opened, 0) * 1e3:.0f} ms (target: 10 M in 1000); its entries, tiles and signature "
          f"verified on one core in {median(checked, 0):.2f} s, {median(checked, 1) / LOG * 1e9:.0f} ns of CPU an entry (target: 500 for 200 bytes)", flush=True)
    shutil.rmtree(folder)


def drop_from_cache(paths):
    for path in paths:
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def many_files(world):
    folder = world.folder / "files"
    folder.mkdir()
    block = bytearray(os.urandom(FILE_BYTES))
    for number in range(FILES):
        block[:8] = number.to_bytes(8, "big")
        (folder / f"{number:06}").write_bytes(block)
    world.init()
    world.impound("import", folder, "--case", "bench", "--source", "made here", seconds=3000)
    shutil.rmtree(folder)
    objects = sorted((world.vault / "objects").glob("*/*"))
    assert len(objects) >= FILES
    os.sync()
    sums, names = world.folder / "sums", world.folder / "names"
    sums.write_text("".join(f"{path.name}  {path}\n" for path in objects))
    names.write_text("".join(f"{path}\0" for path in objects))

    def verify():
        taken = timed([harness.PROGRAM, "verify", world.vault], env=world.env)
        assert f"{len(objects)} of {len(objects)} objects" in taken[2] and "\nOK " in taken[2], taken
        return taken

    def checked():
        return timed(["sha256sum", "--quiet", "--strict", "-c", sums])

    def in_parallel():
        taken = timed(["bash", "-c", f'xargs -0 -n 200 -P "$(nproc)" sha256sum < "$1" | sort | cmp - <(sort "$2")', "bench", names, sums])
        return taken

    verify(), checked()
    ours, peer = in_turn(world, lambda _: verify(), lambda _: checked())
    line(f"verify, {FILES} files of {FILE_BYTES} bytes, warm", ours, "sha256sum -c", peer, "6 wall")
    ours, peer = in_turn(world, lambda _: (drop_from_cache(objects), verify())[1], lambda _: (drop_from_cache(objects), in_parallel())[1])
    line("the same, cold", ours, "sha256sum on all cores", peer, "1.2 wall")
    if shutil.which("restic") is None:
        print("restic is not installed: not compared", flush=True)
        return
    restic = {**world.env, "RESTIC_PASSWORD": "x", "RESTIC_REPOSITORY": str(world.folder / "restic")}
    subprocess.run(["restic", "init"], check=True, env=restic, capture_output=True)
    subprocess.run(["restic", "backup", world.vault / "objects"], check=True, env=restic, capture_output=True)
    ours, peer = in_turn(world, lambda _: verify(), lambda _: timed(["restic", "check", "--read-data"], env=restic))
    line("verify, warm", ours, "restic check --read-data", peer, "3.5 wall")


def big_file(world):
    path = world.folder / "big"
    with open(path, "wb") as file:
        block = os.urandom(1 << 20)
        for _ in range(BIG >> 20):
            file.write(block)
    script = 'sha256sum < "$1"; sha1sum < "$1"; md5sum < "$1"'
    ours, peer = in_turn(world, lambda _: measured(BENCH, "digests", path), lambda _: timed(["bash", "-c", script, "bench", path]))
    assert ours[0][2].split() == [text.split()[0] for text in peer[0][2].splitlines()], "the digests are coreutils'"
    line(f"three digests of {BIG >> 20} MiB in one pass", ours, "sha256sum, sha1sum, md5sum", peer, "-")
    print(f"    {BIG / median(ours, 0) / 1e9:.2f} GB/s (target 0.7)", flush=True)


def test_bench(world):
    go = go_peer(world)
    print(subprocess.run(["go", "version"], capture_output=True, text=True, check=True).stdout.strip(), "·",
          subprocess.run(["sha256sum", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0],
          f"· {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    appends(world, go)
    proofs(world, go)
    long_log(world)
    many_files(world)
    big_file(world)


if __name__ == "__main__":
    harness.main(globals())
