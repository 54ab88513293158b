# ctest: TIMEOUT 1500 RESOURCE_LOCK clocked
"""P1: after kill -9 at any moment the next run finds every acknowledged entry, goes on and completes."""
import random
import signal
import subprocess

import harness
import peers

ROUNDS = 50 if harness.ALL else 5
BYTES = 1 << 20
DOWNLOAD_SECONDS = 1.0


def log_lines(world):
    """The log as it is under a signature now, byte for byte; None while there is no whole one to read."""
    done = world.impound("log", "--json", code=None)
    return done.out.splitlines() if done.code == 0 else None


def killed_after(world, fetch, seconds):
    """Lets the fetch run for so long, reading the log beside it, then kills it; the longest log that was seen."""
    seen = []
    try:
        fetch.process.wait(seconds * 0.7)
    except subprocess.TimeoutExpired:
        seen = log_lines(world) or []
    try:
        fetch.process.wait(seconds * 0.3)
    except subprocess.TimeoutExpired:
        fetch.process.send_signal(signal.SIGKILL)
        fetch.wait()
    return seen


def test_kill_at_random_moments_of_a_fetch(world):
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}, {ROUNDS} rounds")
    moments = random.Random(seed)
    world.init()
    killed = open_attempts = 0
    for number in range(ROUNDS):
        seeded = world.folder / f"seeded-{number}"
        harness.write_bytes(seeded / "leak" / "a.eml", BYTES // 2, f"a{number}")
        harness.write_bytes(seeded / "leak" / "b.eml", BYTES // 2, f"b{number}")
        torrent = peers.make_torrent(world, seeded / "leak", "v1", piece_size=32 << 10)
        peer = peers.seeder(world, torrent, seeded, rate=int(BYTES / DOWNLOAD_SECONDS))
        words = ["fetch", torrent.magnet(), "--peer", peer.address]
        before = log_lines(world)
        fetch = world.start_impound(*words)
        seen = killed_after(world, fetch, moments.uniform(0.01, DOWNLOAD_SECONDS * 1.8))
        killed += fetch.process.returncode == -signal.SIGKILL
        assert seen[:len(before)] == before or not seen, f"round {number}"
        world.impound(*words)
        after = log_lines(world)
        longest = max(before, seen, key=len)
        assert after[:len(longest)] == longest, f"round {number}: an acknowledged entry is gone or moved"
        shown = world.show(torrent.v1)
        assert shown["state"] == "complete", (number, shown)
        assert {file["path"]: file["sha256"] for file in shown["files"]} == harness.tree(seeded), number
        assert world.verify()["ok"] is True, number
        entries = world.entries()
        attempts = {entry["id"] for entry in entries if entry["kind"] == "acquisition.attempt"}
        results = [entry["of"] for entry in entries if entry["kind"] == "acquisition.result"]
        assert sorted(results) == sorted(attempts), "each attempt has exactly one result"
        open_attempts += sum(entry["kind"] == "agent.recovered" for entry in entries[len(before):])
        peer.running.stop()
    print(f"{killed} of {ROUNDS} fetches killed under way, {open_attempts} recoveries told in the log")
    assert killed >= ROUNDS // 3, killed


def test_the_worker_ends_with_the_agent(world):
    seeded = world.folder / "seeded"
    harness.write_bytes(seeded / "leak", BYTES, "leak")
    torrent = peers.make_torrent(world, seeded / "leak", "v1")
    peer = peers.seeder(world, torrent, seeded, rate=50_000)
    world.init()
    fetch = world.start_impound("fetch", torrent.magnet(), "--peer", peer.address)
    harness.wait_until(harness.workers, 30, "the worker")
    fetch.stop(signal.SIGKILL)
    harness.wait_until(lambda: not harness.workers(), 10, "the worker's end")


harness.main(globals())
