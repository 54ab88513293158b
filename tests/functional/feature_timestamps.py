"""Timestamps: two authorities over `openssl ts -reply` stamp the log's checkpoints, whatever they or the network do in between."""
import re
import shutil
import signal
import subprocess
import time

import harness
import peers
from authorities import Authorities, age


def imported(world, text="mail"):
    path = world.folder / f"{text}.eml"
    path.write_text(text)
    return world.impound("import", path, "--case", "emleaks", "--source", "a source")


def stamps(world):
    """(attempts, results) of the log, and each result belongs to an attempt."""
    attempts, results = world.of_kind("timestamp.attempt"), world.of_kind("timestamp.result")
    assert {one["of"] for one in results} <= {one["id"] for one in attempts}
    assert len({one["of"] for one in results}) == len(results), "one result an attempt"
    return attempts, results


def check_with_openssl(world, result):
    """Each token of the result straight from the vault, with openssl alone."""
    size = result["body"]["size"]
    for token in result["body"]["tokens"]:
        root = world.folder / token["authority"] / "root.pem"
        subprocess.run(["openssl", "ts", "-verify", "-data", world.vault / "log" / "checkpoints" / str(size), "-in", world.vault / token["file"],
                        "-CAfile", root], check=True, capture_output=True)
        assert harness.sha256(world.vault / token["file"]) == token["sha256"]
        assert harness.sha256(world.vault / token["chain"]["file"]) == token["chain"]["sha256"]


def test_the_newest_checkpoint_is_stamped_by_both_and_openssl_agrees(world):
    authorities = Authorities(world)
    world.init()
    imported(world)
    done = world.impound("timestamp")
    assert "anchored" in done.out and "by 2 timestamp(s)" in done.out, done
    attempts, results = stamps(world)
    assert len(attempts) == len(results) == 1
    body = attempts[0]["body"]
    assert body["required"] == 2 and [one["name"] for one in body["authorities"]] == ["first", "second"], body
    assert results[0]["body"]["state"] == "complete" and len(results[0]["body"]["tokens"]) == 2, results
    check_with_openssl(world, results[0])
    status = world.impound("status", "--json").json()
    assert status["log"]["anchored_size"] == body["size"] and "pending" not in status["timestamps"], status
    verdict = world.verify()
    assert verdict["timestamps"] == 2, verdict
    assert [len(authorities.asked(name)) for name in ("first", "second")] == [1, 1]


def test_roots_from_outside_the_vault_decide(world):
    Authorities(world)
    world.init()
    imported(world)
    world.impound("timestamp")
    roots = [world.folder / name / "root.pem" for name in ("first", "second")]
    verdict = world.impound("verify", "--json", *(word for root in roots for word in ("--tsa-ca", root))).json()
    assert verdict["ok"] is True and verdict["timestamps"] == 2, verdict
    verdict = world.impound("verify", "--json", "--tsa-ca", roots[0], code=1).json()
    problem, = [one for one in verdict["problems"] if one["where"].startswith("timestamps/")]
    assert problem["what"] == "untrusted" and "second" in problem["where"], verdict
    with harness.byte_changed(world.vault / "log" / "checkpoints" / str(stamps(world)[0][0]["body"]["size"]), 3):
        assert any(one["where"].startswith("log/checkpoints/") for one in world.verify_fails())
    assert world.verify()["ok"] is True


def fetched(world, **more):
    seeded = world.folder / "seeded"
    harness.write_bytes(seeded / "leak" / "a.eml", 50_000, "a")
    torrent = peers.make_torrent(world, seeded / "leak", "v1")
    peer = peers.seeder(world, torrent, seeded)
    world.init()
    return world.impound("fetch", torrent.magnet(), "--peer", peer.address, **more)


def test_fetch_ends_with_its_result_stamped(world):
    Authorities(world)
    done = fetched(world)
    assert "anchored" in done.out and "by 2 timestamp(s)" in done.out, done
    kinds = world.kinds()
    assert kinds[-4:] == ["acquisition.result", "timestamp.attempt", "timestamp.result", "agent.stopped"], kinds
    assert stamps(world)[0][0]["body"]["size"] == len(kinds) - 3, "the checkpoint covers the result"
    assert world.verify()["timestamps"] == 2


def test_fetch_waits_at_most_half_a_minute_and_says_timestamp_pending(world):
    authorities = Authorities(world)
    for name in ("first", "second"):
        authorities.behave(name, "slow 600")
    began = time.monotonic()
    done = fetched(world, seconds=60)
    assert "timestamp pending: 0 of 2 needed" in done.out and time.monotonic() - began < 45, done
    assert "acquisition.result" in world.kinds() and world.verify()["ok"] is True


def test_no_authority_is_asked_twice_within_a_minute(world):
    authorities = Authorities(world)
    world.init()
    imported(world)
    world.impound("timestamp")
    done = world.impound("export", "--log", "jsonl", "--output", world.folder / "log.jsonl")
    assert "timestamp pending" in done.err, done
    assert [len(authorities.asked(name)) for name in ("first", "second")] == [1, 1]
    age(world)
    done = world.impound("export", "--log", "jsonl", "--output", world.folder / "log2.jsonl")
    assert "timestamp pending" not in done.err, done
    assert [len(authorities.asked(name)) for name in ("first", "second")] == [2, 2]
    attempts, results = stamps(world)
    assert [one["body"]["state"] for one in results] == ["complete"] * 2, results
    exported = world.entries()[-2]
    assert exported["kind"] == "export.created", "stamped before it leaves"
    assert world.verify()["timestamps"] == 4


def test_k_of_n_is_met_without_the_broken_one_and_says_so(world):
    authorities = Authorities(world, required=1)
    authorities.behave("second", "status 503")
    world.init()
    imported(world)
    assert "by 1 timestamp(s)" in world.impound("timestamp").out
    result = stamps(world)[1][0]["body"]
    assert result["state"] == "met" and [one["authority"] for one in result["tokens"]] == ["first"], result
    assert [(one["authority"], one["tries"]) for one in result["failed"]] == [("second", 1)] and "503" in result["failed"][0]["reason"], result
    failing = world.impound("status", "--json").json()["timestamps"]["failing"]
    assert failing[0]["authority"] == "second" and failing[0]["tries"] == 1, failing
    assert world.verify()["ok"] is True


def refusal(world, how, reason):
    authorities = Authorities(world)
    authorities.behave("second", how)
    world.init()
    imported(world)
    done = world.impound("timestamp", code=1)
    assert "timestamp pending: 1 of 2 needed" in done.out and re.search(reason, done.out), done
    attempts, results = stamps(world)
    assert len(attempts) == 1 and results == [], "it stays open"
    status = world.impound("status", "--json").json()["timestamps"]
    assert status["pending"]["tokens"] == 1 and status["pending"]["required"] == 2, status
    assert world.verify()["ok"] is True, "what an open attempt has is no problem"
    # Good again: the next command goes on with the same attempt, or over a newer checkpoint.
    (world.folder / "second" / "second.behaviour").unlink()
    age(world)
    assert "by 2 timestamp(s)" in world.impound("timestamp").out
    attempts, results = stamps(world)
    assert results[-1]["body"]["state"] == "complete" and len(results) == len(attempts), (attempts, results)
    assert world.verify()["ok"] is True


def test_a_wrong_nonce_is_refused_and_retried(world):
    refusal(world, "wrong_nonce", "nonce")


def test_a_wrong_imprint_is_refused_and_retried(world):
    refusal(world, "wrong_imprint", "over other bytes")


def test_a_rejection_is_told_with_its_text(world):
    refusal(world, "reject", "Message digest algorithm is not supported")


def test_garbage_is_refused(world):
    refusal(world, "garbage", "second: ")


def test_trailing_bytes_are_refused(world):
    refusal(world, "trailing", "second: ")


def test_too_long_an_answer_is_refused(world):
    refusal(world, "big", "too long")


def test_a_slow_authority_holds_nobody_up(world):
    authorities = Authorities(world)
    authorities.behave("second", "slow 600")
    world.init()
    imported(world)
    done = world.impound("timestamp", code=1, seconds=60)
    assert "timestamp pending: 1 of 2 needed" in done.out and "no answer in time" in done.out, done
    assert world.verify()["ok"] is True


def test_offline_nothing_is_lost_and_one_checkpoint_covers_all(world):
    authorities = Authorities(world)
    for server in authorities.servers.values():
        server.stop()
    world.init()
    for text in ("one", "two", "three"):
        imported(world, text)
    assert world.impound("timestamp", code=1).out.startswith("timestamp pending: 0 of 2 needed")
    for name in list(authorities.servers):
        authorities.start(name)
    age(world)
    imported(world, "four")
    assert "by 2 timestamp(s)" in world.impound("timestamp").out
    attempts, results = stamps(world)
    assert [one["body"]["state"] for one in results] == ["superseded", "complete"], results
    assert results[0]["body"]["superseded_by"] == results[1]["body"]["size"] == attempts[1]["body"]["size"], results
    kinds = world.kinds()
    assert results[1]["body"]["size"] > max(at for at, kind in enumerate(kinds) if kind == "exhibit.sealed"), kinds
    assert world.verify()["timestamps"] == 2


def test_killed_between_the_tokens_the_attempt_goes_on(world):
    authorities = Authorities(world)
    authorities.behave("second", "slow 600")
    world.init()
    imported(world)
    running = world.start_impound("timestamp")
    harness.wait_until(lambda: authorities.asked("second"), 30, "the second authority to be asked")
    running.process.kill()
    running.wait()
    (world.folder / "second" / "second.behaviour").unlink()
    age(world)
    before = len(authorities.asked("first"))
    assert "by 2 timestamp(s)" in world.impound("timestamp", seconds=120).out
    attempts, results = stamps(world)
    assert len(results) == len(attempts) and results[-1]["body"]["state"] == "complete", (attempts, results)
    assert before == 1 and world.verify()["ok"] is True
    assert not list((world.vault / "staging" / "torn").iterdir()), "what an open attempt asked for is not set aside"


def test_an_authority_that_left_the_settings_leaves_no_vault_that_does_not_verify(world):
    authorities = Authorities(world)
    authorities.behave("second", "reject")
    world.init()
    imported(world)
    world.impound("timestamp", code=1)
    text = authorities.config.read_text().replace('name = "first"', 'name = "third"')
    world.settings(text)
    age(world)
    (world.folder / "second" / "second.behaviour").unlink()
    world.impound("timestamp")
    result = stamps(world)[1][0]["body"]
    assert result["state"] == "superseded" and {one["authority"]: one["tries"] for one in result["failed"]} == {"first": 0, "second": 0}, result
    assert any(one["body"]["what"] == "a timestamp was set aside" for one in world.of_kind("incident.raised"))
    assert world.verify()["ok"] is True


def test_crls_are_kept_with_the_token(world):
    authorities = Authorities(world, crl=True)
    allowed = [word for port in authorities.ports.values() for word in ("--allow-net", f"127.0.0.1/32:{port}")]
    world.init()
    imported(world)
    world.impound("timestamp", *allowed)
    tokens = stamps(world)[1][0]["body"]["tokens"]
    assert all(len(one["crls"]) == 1 and one.get("crls_missing", 0) == 0 for one in tokens), tokens
    for one in tokens:
        assert harness.sha256(world.vault / one["crls"][0]["file"]) == one["crls"][0]["sha256"]
    assert world.verify()["ok"] is True


def test_p5_a_crl_url_in_a_certificate_leads_nowhere_by_itself(world):
    authorities = Authorities(world, crl=True)
    world.init()
    imported(world)
    world.impound("timestamp")
    tokens = stamps(world)[1][0]["body"]["tokens"]
    assert all("crls" not in one and one["crls_missing"] == 1 for one in tokens), tokens
    for name in authorities.ports:
        assert "GET" not in (world.folder / name / f"{name}.requests.log").read_text(), "the table was passed by"
    assert world.verify()["ok"] is True


def test_wrong_settings_are_judged_before_the_vault_is_opened(world):
    authorities = Authorities(world)
    text = authorities.config.read_text()
    (world.folder / "second" / "root.pem").write_text("no certificate\n")
    done = world.refused(2, "timestamp")
    assert "second" in done.err and "root.pem" in done.err, done
    world.settings(text[:text.rindex("[[")])
    assert "twice or more" in world.refused(2, "timestamp").err
    world.settings("")
    assert "no time-stamping authority is set" in world.refused(2, "timestamp").err
    shutil.copy(world.folder / "first" / "root.pem", world.folder / "second" / "root.pem")
    world.settings(text)
    assert "shares a root with \"first\"" in world.refused(2, "timestamp").err


def test_a_key_in_an_authoritys_url_is_sent_and_written_nowhere(world):
    authorities = Authorities(world)
    world.settings(authorities.config.read_text().replace("/tsr\"", "/tsr?key=tell-nobody\""))
    authorities.behave("second", "status 503")
    world.init()
    imported(world)
    done = world.impound("timestamp", code=1)
    assert any("?key=tell-nobody" in line for line in authorities.asked("first")), authorities.asked("first")
    told = done.out + done.err + world.impound("status").out + world.impound("status", "--json").out
    assert "tell-nobody" not in told and "/tsr?..." in told, told
    for folder in (world.vault, world.state()):
        for path in (one for one in folder.rglob("*") if one.is_file()):
            assert b"tell-nobody" not in path.read_bytes(), path
    assert stamps(world)[0][0]["body"]["authorities"][0]["url"].endswith("/tsr?..."), stamps(world)


def test_an_attempt_at_another_url_is_not_gone_on_with(world):
    authorities = Authorities(world)
    authorities.behave("second", "reject")
    world.init()
    imported(world)
    world.impound("timestamp", code=1)
    (world.folder / "second" / "second.behaviour").unlink()
    world.settings(authorities.config.read_text().replace("/tsr\"", "/other\""))
    age(world)
    world.impound("timestamp")
    attempts, results = stamps(world)
    assert [one["body"]["state"] for one in results] == ["superseded", "complete"], results
    assert all(one["url"].endswith("/other") for one in attempts[1]["body"]["authorities"]), attempts
    assert world.verify()["ok"] is True


def test_a_command_that_asks_for_no_timestamp_says_that_one_is_due(world):
    Authorities(world)
    world.init()
    assert "timestamp due" in imported(world).err
    world.impound("timestamp")
    entry = world.of_kind("exhibit.imported")[0]["id"]
    assert "timestamp due" not in world.impound("note", entry, "nothing new of weight").err
    imported(world, "more")
    assert "timestamp due" in world.impound("note", entry, "the import before is not stamped").err
    assert "timestamp due" in world.impound("case", "open", "another").err


def test_a_wait_for_a_timestamp_ends_at_once_when_interrupted(world):
    authorities = Authorities(world)
    authorities.behave("second", "slow 600")
    world.init()
    imported(world)
    running = world.start_impound("timestamp")
    harness.wait_until(lambda: authorities.asked("second"), 30, "the second authority to be asked")
    assert running.stop(signal.SIGINT) == 130, running.output()
    age(world)
    output = world.folder / "log.jsonl"
    running = world.start_impound("export", "--log", "jsonl", "--output", output)
    harness.wait_until(lambda: len(authorities.asked("second")) == 2, 30, "the second authority to be asked again")
    assert running.stop(signal.SIGINT) == 130, running.output()
    assert not output.exists() and not output.with_name("log.jsonl.part").exists()
    output.write_text("kept")
    before = len(authorities.asked("first"))
    age(world)
    assert "there already" in world.refused(2, "export", "--log", "jsonl", "--output", output).err
    assert len(authorities.asked("first")) == before and output.read_text() == "kept", "judged before anybody is asked"
    assert world.verify()["ok"] is True


harness.main(globals())
