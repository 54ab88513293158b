# ctest: TIMEOUT 1500 RESOURCE_LOCK clocked
"""P1: after kill -9 at any moment the next run finds every acknowledged entry, goes on and completes."""
import os
import random
import shutil
import signal
import subprocess

import harness
import peers

ROUNDS = 50 if harness.ALL else 5
BYTES = 1 << 20
DOWNLOAD_SECONDS = 1.0
MANY = 5_000
KILLS = 200 if harness.ALL else 20
KILLS_A_ROUND = 25


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


def killed_again_and_again(world, words, moments, kills):
    """Runs the fetch until it completes; kills it, or its worker, at random moments on the way. How often each was killed."""
    killed = {"agent": 0, "worker": 0}
    while True:
        fetch = world.start_impound(*words)
        of_this_worker = 0  # the agent gives a torrent up whose worker dies thrice
        while fetch.running():
            try:
                fetch.process.wait(moments.uniform(0.05, 0.8))
            except subprocess.TimeoutExpired:
                if sum(killed.values()) == kills:
                    fetch.wait(120)
                elif of_this_worker < 2 and moments.random() < 0.5:
                    for worker in harness.workers():
                        os.kill(worker, signal.SIGKILL)
                        of_this_worker += 1
                        killed["worker"] += 1
                else:
                    fetch.stop(signal.SIGKILL)
                    killed["agent"] += 1
        if fetch.process.returncode != -signal.SIGKILL:
            assert fetch.process.returncode == 0, fetch.output()
            return killed


def test_kill_at_random_moments_of_a_download_of_many_files(world):
    seed = random.SystemRandom().randrange(1 << 32)
    moments = random.Random(seed)
    seeded = world.folder / "seeded"
    for number in range(MANY):
        harness.write_bytes(seeded / "leak" / f"{number // 500}" / f"{number}.eml", 1 + number * 37 % 8_000, f"{number}")
    files = harness.tree(seeded)
    torrents = {kind: peers.make_torrent(world, seeded / "leak", kind, piece_size=32 << 10) for kind in ("v1", "v2", "hybrid")}
    seeds = {kind: peers.seeder(world, torrent, seeded, rate=5_000_000) for kind, torrent in torrents.items()}
    killed = {"agent": 0, "worker": 0}
    number = 0
    while sum(killed.values()) < KILLS:
        kind = list(torrents)[number % 3]
        world.vault = world.folder / f"vault-{number}"
        world.env["IMPOUND_VAULT"] = str(world.vault)
        world.init()
        words = ["fetch", torrents[kind].path, "--peer", seeds[kind].address]
        for what, times in killed_again_and_again(world, words, moments, min(KILLS_A_ROUND, KILLS - sum(killed.values()))).items():
            killed[what] += times
        shown = world.show(torrents[kind].v1 or torrents[kind].v2)
        assert shown["state"] == "complete" and shown["uploaded_payload_bytes"] == 0, (seed, number, shown["state"])
        assert {file["path"]: file["sha256"] for file in shown["files"]} == files, (seed, number)
        assert world.verify()["ok"] is True, (seed, number)
        shutil.rmtree(world.vault)
        number += 1
    print(f"seed {seed}: killed the agent {killed['agent']} times and the worker {killed['worker']} times in {number} downloads")


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
