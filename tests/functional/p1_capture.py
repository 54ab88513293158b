# ctest: TIMEOUT 1500 RESOURCE_LOCK clocked
"""P1: captures and kill -9: after each restart the vault verifies, every acknowledged capture is there, every byte of WARC explained."""
import random
import signal

import harness
import warc_records

KILLS = 100 if harness.ALL else 10
KILLS_A_VAULT = 10  # everything in it is looked at again after each
PASTES = 60  # a list; a new one for each kill


def log_lines(world):
    done = world.impound("log", "--json", code=None)
    return done.out.splitlines() if done.code == 0 else []


def test_kill_at_random_moments_of_captures(world):
    seed = random.SystemRandom().randrange(1 << 32)
    moments = random.Random(seed)
    profile = world.folder / "quick.toml"
    profile.write_text(open(harness.PROFILE, encoding="utf-8").read().replace("pace = 1\n", "pace = 0\n"))
    site = world.pastes([])
    config = world.settings(f'[network]\nallow_net = ["127.0.0.0/8"]\n\n{site.source(acquire="none", profile=str(profile))}')
    killed = 0
    of_vault = {}
    for number in range(KILLS):
        if number % KILLS_A_VAULT == 0:
            world.vault = world.folder / f"vault-{number}"
            world.env["IMPOUND_VAULT"] = str(world.vault)
            site.listed.clear()
            world.init()
            before, asked = log_lines(world), len(site.requests())
        for paste in range(PASTES):
            site.post(f"k{number}x{paste}", f"{number} {paste} " + "words " * moments.randrange(20_000), title="t")
        watch = world.start_impound("watch", "--config", config)
        # Somewhere among the captures: counted in requests, not in time, so that a slow machine is killed under way as well.
        goal = asked + moments.randrange(2, PASTES)
        harness.wait_until(lambda: len(site.requests()) >= goal or not watch.running(), 60, f"{goal} requests (seed {seed})")
        try:
            watch.process.wait(moments.uniform(0, 0.005))
        except harness.subprocess.TimeoutExpired:
            pass
        killed += watch.running()
        watch.stop(signal.SIGKILL)
        # What anybody could have seen before is there and where it was, after the next start.
        seen = log_lines(world) or before
        assert seen[:len(before)] == before, (seed, number)
        world.impound("watch", "--once", "--config", config, code=None)
        after = log_lines(world)
        assert after[:len(seen)] == seen, (seed, number, "an acknowledged entry is gone or moved")
        assert world.verify()["ok"] is True, (seed, number)
        entries = world.entries()
        files = warc_records.check_named(world.vault, entries)  # no byte unexplained
        attempts = [entry["id"] for entry in entries if entry["kind"] == "capture.attempt"]
        results = [entry for entry in entries if entry["kind"] == "capture.result"]
        assert sorted(entry["of"] for entry in results) == sorted(attempts), "each attempt has exactly one result"
        captured = sum(entry["body"]["kept"] for entry in results)
        assert sum(record.type == "response" for records in files.values() for record in records) == captured, (seed, number)
        adopted = sum(entry["body"].get("recovered", False) for entry in results)
        of_vault[world.vault] = (captured, adopted, sum(entry["kind"] == "incident.raised" for entry in entries))
        before, asked = after, len(site.requests())
    captured, adopted, torn = map(sum, zip(*of_vault.values()))
    print(f"seed {seed}: killed {killed} times, {captured} captures kept, {adopted} of them adopted, {torn} tails set aside")
    assert killed >= KILLS // 2, killed


harness.main(globals())
