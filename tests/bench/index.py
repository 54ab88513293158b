"""What the index saves: `status` and `show` over a long log, with the index, without it (each command makes one in memory), and
while it is made for the first time. The answers are compared first."""
import json
import os
import statistics
import subprocess
import time

import harness

ENTRIES = 2_000_000 if harness.ALL else 200_000
ROUNDS = 5


def timed(world, *words, rounds=ROUNDS, **env):
    """The median of the wall seconds, and the answer."""
    seconds = []
    for _ in range(rounds):
        began = time.monotonic()
        out = world.impound(*words, **env).out
        seconds.append(time.monotonic() - began)
    answer = json.loads(out)
    if "vault" in answer:
        del answer["vault"]["free_bytes"]
    return statistics.median(seconds), answer


def test_bench(world):
    made = subprocess.run([harness.BUILD / "tests" / "long_log", world.vault, world.folder / "writer", str(ENTRIES)], capture_output=True,
                          text=True, check=True).stdout.split()
    info_hash = made[0]
    nowhere = {"XDG_STATE_HOME": str(world.folder / "nowhere")}
    began = time.monotonic()
    rows = world.impound("reindex", "--json").json()
    assert rows["entries"] >= ENTRIES, rows
    print(f"{'reindex':<20} {time.monotonic() - began:8.2f} s   {rows['entries']} entries, "
          f"{sum(file.stat().st_size for file in world.state().iterdir()) / rows['entries']:.0f} bytes each")
    for words in (["status", "--json"], ["show", info_hash, "--json"]):
        with_it, answer = timed(world, *words)
        without, same = timed(world, *words, rounds=2, **nowhere)
        assert answer == same, words
        print(f"{words[0]:<20} {with_it * 1e3:8.0f} ms   without the index: {without * 1e3:8.0f} ms   ratio {without / with_it:6.1f}", flush=True)
    if before := os.environ.get("IMPOUND_BEFORE"):  # a program that reads the whole log each time
        for words in (["status", "--json"], ["show", info_hash, "--json"]):
            began = time.monotonic()
            subprocess.run([before, *words], env=world.env, check=True, stdout=subprocess.DEVNULL)
            print(f"{words[0]:<20} {(time.monotonic() - began) * 1e3:8.0f} ms by {before}")


harness.main(globals())
