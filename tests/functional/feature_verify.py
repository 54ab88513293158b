"""verify says what it read of what there should be, goes on, keeps out of a service's way, and can log its verdict."""
import json
import hashlib
import os
import pty
import signal
import subprocess

import harness
import peers


def some_vault(world):
    seeded = world.folder / "seeded"
    for number in range(3):
        harness.write_bytes(seeded / "leak" / f"{number}.eml", 30_000 + number, f"mail {number}")
    torrent = peers.make_torrent(world, seeded / "leak", "v1")
    peer = peers.seeder(world, torrent, seeded)
    site = world.pastes([{"key": "0CeaNm8Y", "title": "Part one", "user": "EMLEAKS", "text": torrent.magnet() + "\n"}])
    world.init()
    world.impound("watch", "--once", "--config", world.settings(site.source(acquire="none")))
    world.impound("fetch", torrent.magnet(), "--peer", peer.address)
    peer.running.stop()
    return site


def check_schemas(world):
    harness.need_module("jsonschema")
    checked = subprocess.run([harness.PYTHON, harness.SUPPORT / "schema_check.py", harness.ROOT / "config/schema"], input=world.impound("log", "--json").out,
                             capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout[-2000:] + checked.stderr[-2000:]


def test_what_was_read_is_counted_against_what_there_should_be(world):
    some_vault(world)
    objects = [file for file in sorted((world.vault / "objects").rglob("*")) if file.is_file()]
    said = world.verify()
    assert said["objects"] == said["objects_named"] == len(objects) and said["records"] == said["records_named"] > 0, said
    assert said["entries"] == said["checkpoint"]["size"] == len(world.entries()), said
    shown = world.impound("verify", world.vault)
    assert f"{len(objects)} of {len(objects)} objects" in shown.out and "not checked" in shown.out and shown.err == "", shown
    # One object gone, one altered, a capture altered: all three are found in one run, and the count says what is short.
    objects[0].rename(world.folder / "away")
    warc = next((world.vault / "warc").iterdir())
    with harness.byte_changed(objects[1]), harness.byte_changed(warc):
        said = world.impound("verify", world.vault, "--json", code=1).json()
        assert said["objects"] == said["objects_named"] - 1 == len(objects) - 1, said
        assert {(one["what"], one["where"].split("/")[0]) for one in said["problems"]} == {("missing", "objects"), ("altered", "objects"), ("altered", "warc")}, said
        assert any("own key was trusted" in note for note in said["notes"]), "a note is no problem, and stays one"
        assert f"FAILED      {len(said['problems'])} problems" in world.impound("verify", world.vault, code=1).out
    (world.folder / "away").rename(objects[0])
    left_out = world.impound("verify", world.vault, "--log-only", "--json").json()
    assert left_out["objects"] == 0 < left_out["objects_named"] and {"objects", "warc"} <= set(left_out["not_checked"]), left_out


def test_progress_is_for_terminals(world):
    some_vault(world)
    ours, theirs = pty.openpty()
    ended = subprocess.run([harness.PROGRAM, "verify", world.vault, "--json"], stdout=subprocess.PIPE, stderr=theirs, check=False, env=world.env)
    os.close(theirs)
    drawn = os.read(ours, 65536).decode()
    assert ended.returncode == 0 and json.loads(ended.stdout)["ok"] is True, ended
    assert "verifying" in drawn and " %" in drawn, drawn


def test_a_signal_ends_it_without_a_verdict(world):
    some_vault(world)
    for number in (signal.SIGINT, signal.SIGTERM):
        def send_to_itself(number=number):  # waits, blocked, until the program asks for it
            signal.pthread_sigmask(signal.SIG_BLOCK, [number])
            os.kill(os.getpid(), number)
        ended = subprocess.run([harness.PROGRAM, "verify", world.vault, "--record"], env=world.env, preexec_fn=send_to_itself, capture_output=True,
                               text=True, check=False)
        assert ended.returncode == 130 and ended.stdout == "" and "nothing is said" in ended.stderr, ended
    assert world.of_kind("vault.verified") == [] and world.verify()["ok"]


def test_a_verdict_is_recorded_with_its_digest(world):
    some_vault(world)
    done = world.impound("verify", world.vault, "--record", "--json", "--operator", "A. Noone")
    verdict = done.json()
    entry = world.of_kind("vault.verified")[0]
    assert entry["by"]["operator"] == "A. Noone" and entry["body"]["ok"] is True and entry["body"]["problems"] == 0, entry
    assert entry["body"]["checkpoint"] == verdict["checkpoint"] and entry["body"]["objects"] == verdict["objects"], entry
    assert entry["body"]["verdict_sha256"] == hashlib.sha256(done.out.strip().encode()).hexdigest(), entry
    assert entry["body"]["key"] == "vault"
    # A verdict that is bad is recorded as well, and changes nothing about the exit code.
    altered = next(file for file in sorted((world.vault / "objects").rglob("*")) if file.is_file())
    vkey = (world.vault / "vault.toml").read_text().split('vkey = "')[1].split('"')[0]
    with harness.byte_changed(altered):
        world.impound("verify", world.vault, "--record", "--vkey", vkey, code=1)
    entry = world.of_kind("vault.verified")[1]
    assert entry["body"]["ok"] is False and entry["body"]["key"] == "given", entry
    assert entry["body"]["first_problems"] == [{"what": "altered", "where": str(altered.relative_to(world.vault))}], entry
    check_schemas(world)
    assert world.verify()["ok"] is True


def test_recording_needs_the_vault_to_itself_and_the_key(world):
    site = some_vault(world)
    service = world.start_impound("watch", "--config", world.settings(site.source(acquire="none")))
    harness.wait_until(lambda: world.kinds().count("agent.started") == 3, 30, "the service's start")
    refused = world.refused(3, "verify", world.vault, "--record")
    assert "in use" in refused.err, refused
    assert service.stop() == 0
    assert "vault.verified" not in world.kinds()
    keys = world.home / ".config/impound/keys"
    keys.rename(world.folder / "keys")
    before = harness.tree(world.vault / "log")
    world.refused(1, "verify", world.vault, "--record")
    assert harness.tree(world.vault / "log") == before
    (world.folder / "keys").rename(keys)
    assert world.verify()["ok"] is True


def test_beside_a_running_service_the_new_is_no_problem_and_the_planted_is(world):
    site = some_vault(world)
    service = world.start_impound("watch", "--config", world.settings(site.source(acquire="none", interval="1s")))
    harness.wait_until(lambda: world.kinds().count("agent.started") == 3, 30, "the service's start")
    for number in range(3):  # captures come in while it is verified
        site.post(f"paste{number}", f"text {number}\n")
        said = world.verify()
        assert {"journal.0", "journal.1"} <= set(said["not_checked"]), said
    assert service.running()
    planted = world.vault / "objects" / "00" / ("00" + "1" * 62)
    planted.write_bytes(b"planted")
    problems = world.verify_fails()
    assert [(one["what"], one["where"]) for one in problems] == [("added", str(planted.relative_to(world.vault)))], problems
    planted.unlink()
    assert world.verify()["ok"] is True
    assert service.stop() == 0, service.output()
    assert world.verify()["ok"] is True


harness.main(globals())
